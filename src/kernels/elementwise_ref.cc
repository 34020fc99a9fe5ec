// The kernels of elementwise.h in plain C++.
#include <cmath>

#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

double SigmoidOf(double x) { return 1.0 / (1.0 + std::exp(-x)); }

void ReluRef(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void SigmoidRef(const float* x, int64_t n, float* y) {
  // The vector form cuts off where exp would leave the range of f32.
  for (int64_t i = 0; i < n; ++i) {
    y[i] = x[i] < -87.0f ? 0.0f : static_cast<float>(SigmoidOf(x[i]));
  }
}

void MagnitudeRef(const float* re, const float* im, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::sqrt(re[i] * re[i] + im[i] * im[i]);
}

void LstmCellsRef(const float* gates, int64_t n, float* cell, float* hidden) {
  for (int64_t i = 0; i < n; ++i) {
    const double input = SigmoidOf(gates[i]), forget = SigmoidOf(gates[n + i]);
    const double output = SigmoidOf(gates[3 * n + i]);
    cell[i] = static_cast<float>(forget * cell[i] + input * std::tanh(double{gates[2 * n + i]}));
    hidden[i] = static_cast<float>(output * std::tanh(double{cell[i]}));
  }
}

}  // namespace

void FillElementwiseRef(KernelTable& table) {
  table.relu = ReluRef;
  table.sigmoid = SigmoidRef;
  table.magnitude = MagnitudeRef;
  table.lstm_cells = LstmCellsRef;
}

}  // namespace tessera::kernels
