#include <cmath>

#include "graph/reference/ops.h"

namespace tessera::reference {

void LayerNorm(const float* x, int64_t rows, int64_t width, const float* gamma, const float* beta,
               float epsilon, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    double mean = 0;
    for (int64_t i = 0; i < width; ++i) mean += double{x[i]};
    mean /= static_cast<double>(width);
    double variance = 0;
    for (int64_t i = 0; i < width; ++i) variance += (x[i] - mean) * (x[i] - mean);
    variance /= static_cast<double>(width);
    const double scale = 1.0 / std::sqrt(variance + double{epsilon});
    for (int64_t i = 0; i < width; ++i) {
      y[i] = static_cast<float>((x[i] - mean) * scale * gamma[i] + beta[i]);
    }
  }
}

}  // namespace tessera::reference
