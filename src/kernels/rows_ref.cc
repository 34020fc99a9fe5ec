// Row-wise kernels in plain C++: the oracle of the vector forms, and the only ones where Highway is
// absent.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/rotation.h"

namespace tessera::kernels {
namespace {

void RotateRowRef(const float* x, const float* factors, int64_t k, float* y) {
  const Rotation rotation = RotationOf(k);
  std::copy_n(x, x == y ? 0 : k, y);
  if (rotation.block == 1) return;
  for (int64_t i = 0; i < k; ++i) y[i] *= factors[i];
  for (int64_t half = 1; half < rotation.block; half *= 2) {
    for (int64_t i = 0; i < k; ++i) {
      if ((i & half) != 0) continue;
      const float a = y[i], b = y[i + half];
      y[i] = a + b;
      y[i + half] = a - b;
    }
  }
  if (!rotation.mixes_three) return;
  for (int64_t i = 0; i < rotation.block; ++i) {
    float* const at[] = {y + i, y + rotation.block + i, y + 2 * rotation.block + i};
    const float shift = (*at[0] + *at[1] + *at[2]) * (2.0f / 3.0f);
    for (float* value : at) *value -= shift;
  }
}

void QuantizeRow(const float* x, int64_t cols, uint8_t* q, float* scale) {
  float max = 0.0f;
  for (int64_t i = 0; i < cols; ++i) max = std::max(max, std::fabs(x[i]));
  const bool tiny = !(max >= 0x1p-110f);
  *scale = tiny ? 0.0f : max / 127.0f;
  const float inverse = tiny ? 0.0f : 127.0f / max;
  for (int64_t i = 0; i < cols; ++i) {
    const float level = std::clamp(std::nearbyint(x[i] * inverse), -127.0f, 127.0f);
    q[i] = static_cast<uint8_t>(128 + static_cast<int>(level == level ? level : 0.0f));
  }
  for (int64_t i = cols; i % 4 != 0; ++i) q[i] = 128;
}

void QuantizeRowsU8Ref(const float* x, int64_t ldx, int64_t rows, int64_t cols, uint8_t* q,
                       int64_t ldq, float* scale) {
  for (int64_t r = 0; r < rows; ++r) QuantizeRow(x + r * ldx, cols, q + r * ldq, scale + r);
}

void QuantizeRotatedU8Ref(const float* x, int64_t ldx, int64_t rows, int64_t cols,
                          const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  if (RotationOf(cols).block == 1) return QuantizeRowsU8Ref(x, ldx, rows, cols, q, ldq, scale);
  float rotated[kMaxRotatedColumns];
  for (int64_t r = 0; r < rows; ++r) {
    RotateRowRef(x + r * ldx, factors, cols, rotated);
    QuantizeRow(rotated, cols, q + r * ldq, scale + r);
  }
}

void ConvertRowsBf16Ref(const float* x, int64_t ldx, int64_t rows, int64_t cols, BF16* y,
                        int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    for (int64_t i = 0; i < cols; ++i) y[i] = ToBF16(x[i]);
    if (cols % 2 != 0) y[cols] = BF16{0};
  }
}

// One row, in double, to f32.
void NormaliseRow(const LayerNormWeights& w, const float* x, float* y) {
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < w.d; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(w.d);
  for (int64_t i = 0; i < w.d; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(w.d) + w.epsilon);
  for (int64_t i = 0; i < w.d; ++i) {
    y[i] = static_cast<float>((x[i] - mean) * inverse * w.gamma[i] + w.beta[i]);
  }
}

constexpr int64_t kMaxLayerNormWidth = 16384;

void LayerNormF32Ref(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows, float* y,
                     int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r) NormaliseRow(w, x + r * ldx, y + r * ldy);
}

void LayerNormBf16Ref(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows, BF16* y,
                      int64_t ldy) {
  float row[kMaxLayerNormWidth];
  for (int64_t r = 0; r < rows; ++r) {
    NormaliseRow(w, x + r * ldx, row);
    ConvertRowsBf16Ref(row, w.d, 1, w.d, y + r * ldy, ldy);
  }
}

void LayerNormU8Ref(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows,
                    const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  float row[kMaxLayerNormWidth];
  for (int64_t r = 0; r < rows; ++r) {
    NormaliseRow(w, x + r * ldx, row);
    QuantizeRotatedU8Ref(row, w.d, 1, w.d, factors, q + r * ldq, ldq, scale + r);
  }
}

void GeluRef(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i];
    y[i] = static_cast<float>(0.5 * v * (1.0 + std::erf(v * 0.70710678118654752)));
  }
}

void SoftmaxRowsRef(const float* x, int64_t ldx, int64_t rows, int64_t cols, float* y,
                    int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    const float max = *std::max_element(x, x + cols);
    if (max == -std::numeric_limits<float>::infinity()) {
      std::fill(y, y + cols, 0.0f);
      continue;
    }
    double sum = 0.0;
    for (int64_t i = 0; i < cols; ++i) sum += std::exp(static_cast<double>(x[i]) - max);
    for (int64_t i = 0; i < cols; ++i) {
      y[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - max) / sum);
    }
  }
}

void LogSoftmaxStatsRef(const float* x, int64_t ldx, int64_t rows, int64_t cols, RowStats* stats) {
  for (int64_t r = 0; r < rows; ++r, x += ldx) {
    const float* max = std::max_element(x, x + cols);
    stats[r] = {*max, *max, max - x};
    if (*max == -std::numeric_limits<float>::infinity()) continue;
    double sum = 0.0;
    for (int64_t i = 0; i < cols; ++i) sum += std::exp(static_cast<double>(x[i]) - *max);
    stats[r].log_sum_exp = static_cast<float>(*max + std::log(sum));
  }
}

void SubRowScalarRef(const float* x, int64_t n, float b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] - b;
}

void AddRef(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

}  // namespace

void FillRowsRef(KernelTable& table) {
  table.rotate_row = RotateRowRef;
  table.quantize_rotated_u8 = QuantizeRotatedU8Ref;
  table.quantize_rows_u8 = QuantizeRowsU8Ref;
  table.convert_rows_bf16 = ConvertRowsBf16Ref;
  table.layer_norm_f32 = LayerNormF32Ref;
  table.layer_norm_bf16 = LayerNormBf16Ref;
  table.layer_norm_u8 = LayerNormU8Ref;
  table.gelu = GeluRef;
  table.softmax_rows = SoftmaxRowsRef;
  table.log_softmax_stats = LogSoftmaxStatsRef;
  table.sub_row_scalar = SubRowScalarRef;
  table.add = AddRef;
}

}  // namespace tessera::kernels
