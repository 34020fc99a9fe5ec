// The public row-wise kernels: each checks its contract and calls the form of the current
// instruction set.
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/gather.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/log_softmax.h"
#include "kernels/quantize.h"
#include "kernels/rotation.h"
#include "kernels/softmax.h"

namespace tessera::kernels {
namespace {

const float* FactorsOrSigns(const float* factors) {
  return factors != nullptr ? factors : RotationSigns();
}

}  // namespace

void QuantizeRowsU8(const float* x, int64_t ldx, int64_t rows, int64_t cols, uint8_t* q,
                    int64_t ldq, float* scale) {
  TESSERA_DCHECK(rows <= 1 || ldq >= (cols + 3) / 4 * 4);
  Kernels().quantize_rows_u8(x, ldx, rows, cols, q, ldq, scale);
}

void QuantizeRotatedRowsU8(const float* x, int64_t ldx, int64_t rows, int64_t cols,
                           const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  TESSERA_DCHECK(rows <= 1 || ldq >= (cols + 3) / 4 * 4);
  Kernels().quantize_rotated_u8(x, ldx, rows, cols, FactorsOrSigns(factors), q, ldq, scale);
}

void ConvertRowsBf16(const float* x, int64_t ldx, int64_t rows, int64_t cols, BF16* y,
                     int64_t ldy) {
  TESSERA_DCHECK(rows <= 1 || ldy >= (cols + 1) / 2 * 2);
  Kernels().convert_rows_bf16(x, ldx, rows, cols, y, ldy);
}

void LayerNormRowsF32(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                      float* y, int64_t ldy) {
  TESSERA_DCHECK(weights.d >= 1 && weights.d <= 16384);
  Kernels().layer_norm_f32(weights, x, ldx, rows, y, ldy);
}

void LayerNormRowsBf16(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                       BF16* y, int64_t ldy) {
  TESSERA_DCHECK(weights.d >= 1 && weights.d <= 16384);
  Kernels().layer_norm_bf16(weights, x, ldx, rows, y, ldy);
}

void LayerNormRowsU8(const LayerNormWeights& weights, const float* x, int64_t ldx, int64_t rows,
                     const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  TESSERA_DCHECK(weights.d >= 1 && weights.d <= 16384);
  Kernels().layer_norm_u8(weights, x, ldx, rows, FactorsOrSigns(factors), q, ldq, scale);
}

void Gelu(const float* x, int64_t count, float* y) { Kernels().gelu(x, count, y); }

void SoftmaxRows(const float* x, int64_t ldx, int64_t rows, int64_t cols, float* y, int64_t ldy) {
  TESSERA_DCHECK(cols >= 1);
  Kernels().softmax_rows(x, ldx, rows, cols, y, ldy);
}

void LogSoftmaxStats(const float* x, int64_t ldx, int64_t rows, int64_t cols, RowStats* stats) {
  TESSERA_DCHECK(cols >= 1);
  Kernels().log_softmax_stats(x, ldx, rows, cols, stats);
}

void LogSoftmaxApply(const float* x, int64_t ldx, int64_t rows, int64_t cols, const RowStats* stats,
                     float* y, int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r) {
    // A row of only -infinity keeps its values: -inf - (-inf) would be NaN.
    const float lse = stats[r].log_sum_exp;
    const float shift = lse == -std::numeric_limits<float>::infinity() ? 0.0f : lse;
    Kernels().sub_row_scalar(x + r * ldx, cols, shift, y + r * ldy);
  }
}

void Add(const float* a, const float* b, int64_t count, float* out) {
  Kernels().add(a, b, count, out);
}

void AddRowVector(const float* a, int64_t lda, const float* b, int64_t rows, int64_t cols,
                  float* out, int64_t ldo) {
  for (int64_t r = 0; r < rows; ++r) Kernels().add(a + r * lda, b, cols, out + r * ldo);
}

}  // namespace tessera::kernels
