// Relu, sigmoid, magnitudes of complex rows and the cell of an LSTM.
//
// An element's bits depend on its operands and the Isa alone. `y` may be an operand it is computed
// from at the same index. NaN gives NaN.
#ifndef TESSERA_KERNELS_ELEMENTWISE_H_
#define TESSERA_KERNELS_ELEMENTWISE_H_

#include <cstdint>

namespace tessera::kernels {

// y[i] = max(x[i], 0). Exact.
void Relu(const float* x, int64_t count, float* y);

// y[i] = 1 / (1 + exp(-x[i])), relative error <= 6 * 2^-24 for x >= -87; 0 below.
void Sigmoid(const float* x, int64_t count, float* y);

// y[i] = sqrt(re[i]^2 + im[i]^2), relative error <= 3 * 2^-24 where the squares neither overflow
// (|x| > 1e19) nor underflow (|x| < 1e-18).
void Magnitude(const float* re, const float* im, int64_t count, float* y);

// One step of an LSTM for `count` cells. gates[4 * count]: the sums before the activation, in the
// order input, forget, cell, output.
//   cell[i] = sigmoid(f) * cell[i] + sigmoid(i) * tanh(g);  hidden[i] = sigmoid(o) * tanh(cell[i])
// Absolute error of a step <= 8 * 2^-24 * (1 + |cell|) for the cell and 10 * 2^-24 for the hidden
// state, against exact arithmetic on the operands (the new cell for the hidden state).
void LstmCells(const float* gates, int64_t count, float* cell, float* hidden);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_ELEMENTWISE_H_
