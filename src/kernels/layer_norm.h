// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta for each row; population variance, two
// passes over the row.
//
// The three forms differ in what they write: f32, bf16, or u8 with a scale per row (quantize.h's
// rule for rotated rows, and its padding), so that the next Linear finds its activations ready.
// Rows are independent. Sums run in a fixed order per Isa (several partial sums). Error of the f32
// form against exact arithmetic: |gamma| * (16 * eps * (|x - mean| + max|x|) / sqrt(variance +
// epsilon)) + 2 * eps * |beta| with eps = 2^-24, for d <= 16384.
#ifndef TESSERA_KERNELS_LAYER_NORM_H_
#define TESSERA_KERNELS_LAYER_NORM_H_

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::kernels {

struct LayerNormWeights {
  const float* gamma = nullptr;  // [d]
  const float* beta = nullptr;   // [d]
  int64_t d = 0;                 // 1 .. 16384
  float epsilon = 1e-5f;         // > 0
};

// x[rows, d] f32, ldx elements between rows. y may be x (same ld) in the f32 form; otherwise no
// overlap.
void LayerNormRowsF32(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                      float* y, int64_t ldy);
// ldy >= round_up(d, 2); the padding is set to 0.
void LayerNormRowsBf16(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                       BF16* y, int64_t ldy);
// ldq >= round_up(d, 4); the padding is set to 128. factors[d] of the rotation, or null for its
// signs. scale[rows].
void LayerNormRowsU8(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                     const float* factors, uint8_t* q, int64_t ldq, float* scale);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_LAYER_NORM_H_
