#include "graph/reference/ops.h"

namespace tessera::reference {
namespace {

// Several dot products at once keep the adder busy; each one sums in index order, so blocking
// changes no bit.
template <int kRows>
void DotRows(const float* x, const float* weight, int64_t in, double* sums) {
  double acc[kRows] = {};
  for (int64_t i = 0; i < in; ++i) {
    for (int r = 0; r < kRows; ++r) acc[r] += double{x[i]} * double{weight[r * in + i]};
  }
  for (int r = 0; r < kRows; ++r) sums[r] = acc[r];
}

}  // namespace

void Linear(const float* x, int64_t rows, int64_t in, const float* weight, int64_t out,
            const float* bias, float* y) {
  constexpr int kBlock = 8;
  double sums[kBlock];
  for (int64_t row = 0; row < rows; ++row) {
    const float* x_row = x + row * in;
    float* y_row = y + row * out;
    for (int64_t o = 0; o < out;) {
      const int block = out - o >= kBlock ? kBlock : 1;
      if (block == kBlock) {
        DotRows<kBlock>(x_row, weight + o * in, in, sums);
      } else {
        DotRows<1>(x_row, weight + o * in, in, sums);
      }
      for (int r = 0; r < block; ++r, ++o) {
        y_row[o] = static_cast<float>(sums[r] + (bias ? double{bias[o]} : 0.0));
      }
    }
  }
}

}  // namespace tessera::reference
