// f32 rows to the activation types of linear.h.
//
// u8: scale = max|x| / 127, q = 128 + round(x / scale) with ties to even, so q is in [1, 255] and
// |x - scale * (q - 128)| <= 0.5000001 * scale. A row of zeros (or with max|x| < 2^-110) gives
// scale 0 and q = 128. Non-finite values are not supported in u8 (the result is finite but
// meaningless); bf16 keeps them. Rows are independent of each other. Identical on every Isa.
#ifndef TESSERA_KERNELS_QUANTIZE_H_
#define TESSERA_KERNELS_QUANTIZE_H_

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::kernels {

// x[rows, cols] f32 -> q[rows, ldq] u8 and scale[rows]. Columns [cols, round_up(cols, 4)) of q are
// set to 128, so ldq >= round_up(cols, 4). No overlap.
void QuantizeRowsU8(const float* x, int64_t ldx, int64_t rows, int64_t cols, uint8_t* q,
                    int64_t ldq, float* scale);

// The same of R(F x) of rotation.h: what an 8-bit Linear reads. factors[cols], or null for the
// signs.
void QuantizeRotatedRowsU8(const float* x, int64_t ldx, int64_t rows, int64_t cols,
                           const float* factors, uint8_t* q, int64_t ldq, float* scale);

// x[rows, cols] f32 -> y[rows, ldy] bf16, nearest even. Columns [cols, round_up(cols, 2)) of y are
// set to 0, so ldy >= round_up(cols, 2). No overlap.
void ConvertRowsBf16(const float* x, int64_t ldx, int64_t rows, int64_t cols, BF16* y, int64_t ldy);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_QUANTIZE_H_
