// Softmax over rows, and the vector exponential behind it and behind attention.
//
// The exponential of x <= 0 (rows are shifted by their maximum): relative error <= 2 * 2^-23 down
// to x = -87; below that the result is 0. Softmax: relative error 8 * 2^-23 + (max - x + cols / 4)
// * 2^-24 per element (rounding of the shift and of the sum). Values of -infinity give 0; a row
// that holds only -infinity gives zeros. NaN or +infinity in a row give NaN in that row only.
#ifndef TESSERA_KERNELS_SOFTMAX_H_
#define TESSERA_KERNELS_SOFTMAX_H_

#include <cstdint>

namespace tessera::kernels {

// y[r, c] = exp(x[r, c] - max) / sum for x[rows, cols], f32; cols >= 1; y may be x (same ld).
void SoftmaxRows(const float* x, int64_t ldx, int64_t rows, int64_t cols, float* y, int64_t ldy);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_SOFTMAX_H_
