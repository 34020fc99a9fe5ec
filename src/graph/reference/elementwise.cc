#include <cmath>
#include <numbers>

#include "graph/reference/ops.h"

namespace tessera::reference {

void Gelu(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    // erfc keeps the small values of the negative tail, which 1 + erf would round away.
    y[i] = static_cast<float>(0.5 * x[i] * std::erfc(-double{x[i]} / std::numbers::sqrt2));
  }
}

void Relu(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void Sigmoid(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(1.0 / (1.0 + std::exp(-double{x[i]})));
}

void Magnitude(const float* x, int64_t rows, int64_t n, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * n, y += n) {
    for (int64_t i = 0; i < n; ++i) {
      const double re = x[i], im = x[n + i];
      y[i] = static_cast<float>(std::sqrt(re * re + im * im));
    }
  }
}

void Add(const float* a, std::span<const int64_t> a_shape, const float* b,
         std::span<const int64_t> b_shape, float* y) {
  int64_t n = 1;
  for (int64_t size : a_shape) n *= size;
  for (int64_t i = 0; i < n; ++i) {
    // Walk the index of i from the last dimension; dimensions of size 1 in b stay at 0.
    int64_t rest = i, b_index = 0, b_stride = 1;
    for (size_t d = 0; d < b_shape.size(); ++d) {
      const int64_t a_size = a_shape[a_shape.size() - 1 - d];
      const int64_t b_size = b_shape[b_shape.size() - 1 - d];
      if (b_size != 1) b_index += rest % a_size * b_stride;
      b_stride *= b_size;
      rest /= a_size;
    }
    y[i] = a[i] + b[b_index];
  }
}

}  // namespace tessera::reference
