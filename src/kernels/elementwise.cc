#include "kernels/elementwise.h"

#include "kernels/dispatch.h"

namespace tessera::kernels {

void Relu(const float* x, int64_t count, float* y) { Kernels().relu(x, count, y); }

void Sigmoid(const float* x, int64_t count, float* y) { Kernels().sigmoid(x, count, y); }

void Magnitude(const float* re, const float* im, int64_t count, float* y) {
  Kernels().magnitude(re, im, count, y);
}

void LstmCells(const float* gates, int64_t count, float* cell, float* hidden) {
  Kernels().lstm_cells(gates, count, cell, hidden);
}

}  // namespace tessera::kernels
