#include <cmath>
#include <vector>

#include "graph/reference/ops.h"

namespace tessera::reference {
namespace {

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

void Lstm(const float* x, const LstmSizes& sizes, const float* weight_ih, const float* weight_hh,
          const float* bias, const float* state, float* y) {
  const auto& [steps, batch, in, hidden] = sizes;
  const int64_t row = batch * hidden;  // elements of one step of y
  for (int64_t b = 0; b < batch; ++b) {
    const float* h0 = state + b * hidden;
    std::vector<double> h(h0, h0 + hidden), c(h0 + row, h0 + row + hidden);
    std::vector<double> gates(static_cast<size_t>(4 * hidden));
    for (int64_t t = 0; t < steps; ++t) {
      const float* x_t = x + (t * batch + b) * in;
      for (int64_t g = 0; g < 4 * hidden; ++g) {
        double sum = bias ? double{bias[g]} : 0.0;
        for (int64_t i = 0; i < in; ++i) sum += double{weight_ih[g * in + i]} * double{x_t[i]};
        for (int64_t i = 0; i < hidden; ++i) sum += double{weight_hh[g * hidden + i]} * h[i];
        gates[g] = sum;
      }
      for (int64_t i = 0; i < hidden; ++i) {
        const double input = Sigmoid(gates[i]), forget = Sigmoid(gates[hidden + i]);
        c[i] = forget * c[i] + input * std::tanh(gates[2 * hidden + i]);
        h[i] = Sigmoid(gates[3 * hidden + i]) * std::tanh(c[i]);
        y[t * row + b * hidden + i] = static_cast<float>(h[i]);
      }
    }
    for (int64_t i = 0; i < hidden; ++i) y[steps * row + b * hidden + i] = static_cast<float>(c[i]);
  }
}

}  // namespace tessera::reference
