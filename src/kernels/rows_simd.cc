// Row-wise kernels for every vector instruction set: quantise, convert, LayerNorm, GELU, softmax,
// log-softmax, add.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#if TESSERA_SIMD_TARGET
#include "kernels/math-inl.h"
#include "kernels/rotation-inl.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

// Calls f(index, count) for each whole vector, and once for the rest with count < kLanes.
template <class F>
HWY_INLINE void ForEachVector(int64_t n, F&& f) {
  const int64_t lanes = static_cast<int64_t>(kLanes);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, kLanes);
  if (i < n) f(i, static_cast<size_t>(n - i));
}

// scale = max / 127 and its inverse, both 0 for a row too small to scale.
struct RowScale {
  float scale, inverse;
};
HWY_INLINE RowScale ScaleOf(float max) {
  if (!(max >= 0x1p-110f)) return {0.0f, 0.0f};
  return {max / 127.0f, 127.0f / max};
}

// q = 128 + round(x / scale), with the padding up to a multiple of 4; its scale.
HWY_INLINE float QuantizeRow(const float* x, int64_t cols, uint8_t* q) {
  VF max = hn::Zero(DF());
  ForEachVector(cols, [&](int64_t i, size_t count)
                          HWY_ATTR { max = hn::Max(max, hn::Abs(LoadUpTo(x + i, count))); });
  const RowScale s = ScaleOf(hn::ReduceMax(DF(), max));
  const VF factor = hn::Set(DF(), s.inverse);
  const VI zero_point = hn::Set(DI(), 128);
  const hn::Rebind<uint8_t, DF> d8;
  ForEachVector(cols, [&](int64_t i, size_t count) HWY_ATTR {
    const VI level = hn::Add(hn::NearestInt(hn::Mul(LoadUpTo(x + i, count), factor)), zero_point);
    StoreUpTo(hn::DemoteTo(d8, level), d8, q + i, count);
  });
  for (int64_t i = cols; i % 4 != 0; ++i) q[i] = 128;
  return s.scale;
}

void RotateRowT(const float* x, const float* factors, int64_t k, float* y) {
  const Rotation rotation = RotationOf(k);
  if (rotation.block > 1) {
    RotateInto(rotation, factors, k, y, [&](int64_t i) HWY_ATTR { return hn::LoadU(DF(), x + i); });
  } else if (y != x) {
    std::copy_n(x, k, y);
  }
}

void QuantizeRowsU8T(const float* x, int64_t ldx, int64_t rows, int64_t cols, uint8_t* q,
                     int64_t ldq, float* scale) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, q += ldq) scale[r] = QuantizeRow(x, cols, q);
}

void QuantizeRotatedU8T(const float* x, int64_t ldx, int64_t rows, int64_t cols,
                        const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  if (RotationOf(cols).block == 1) return QuantizeRowsU8T(x, ldx, rows, cols, q, ldq, scale);
  HWY_ALIGN float rotated[kMaxRotatedColumns];
  for (int64_t r = 0; r < rows; ++r, x += ldx, q += ldq) {
    RotateRowT(x, factors, cols, rotated);
    scale[r] = QuantizeRow(rotated, cols, q);
  }
}

void ConvertRowsBf16T(const float* x, int64_t ldx, int64_t rows, int64_t cols, BF16* y,
                      int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    ForEachVector(cols, [&](int64_t i, size_t count)
                            HWY_ATTR { StoreBf16(LoadUpTo(x + i, count), y + i, count); });
    if (cols % 2 != 0) y[cols] = BF16{0};
  }
}

// Mean and 1 / sqrt(variance + epsilon), each from four partial sums.
struct Moments {
  VF mean, inverse_deviation;
};
HWY_INLINE VF SumOf4(const VF* s) { return hn::Add(hn::Add(s[0], s[1]), hn::Add(s[2], s[3])); }

HWY_INLINE Moments RowMoments(const LayerNormWeights& w, const float* x) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(kLanes);
  VF s[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (; i + 4 * lanes <= w.d; i += 4 * lanes) {
    for (int j = 0; j < 4; ++j) s[j] = hn::Add(s[j], hn::LoadU(d, x + i + j * lanes));
  }
  for (; i < w.d; i += lanes) {
    s[0] = hn::Add(s[0], LoadUpTo(x + i, static_cast<size_t>(w.d - i)));
  }
  const float mean = hn::ReduceSum(d, SumOf4(s)) / static_cast<float>(w.d);
  const VF m = hn::Set(d, mean);
  for (VF& v : s) v = hn::Zero(d);
  for (i = 0; i + 4 * lanes <= w.d; i += 4 * lanes) {
    for (int j = 0; j < 4; ++j) {
      const VF c = hn::Sub(hn::LoadU(d, x + i + j * lanes), m);
      s[j] = hn::MulAdd(c, c, s[j]);
    }
  }
  for (; i < w.d; i += lanes) {
    const size_t left = static_cast<size_t>(w.d - i);
    const VF c = hn::IfThenElseZero(hn::FirstN(d, left), hn::Sub(LoadUpTo(x + i, left), m));
    s[0] = hn::MulAdd(c, c, s[0]);
  }
  const float variance = hn::ReduceSum(d, SumOf4(s)) / static_cast<float>(w.d);
  return {m, hn::Set(d, 1.0f / std::sqrt(variance + w.epsilon))};
}

HWY_INLINE VF Normalised(const LayerNormWeights& w, const Moments& m, const float* x, int64_t i,
                         size_t count) {
  const VF centred = hn::Mul(hn::Sub(LoadUpTo(x + i, count), m.mean), m.inverse_deviation);
  return hn::MulAdd(centred, LoadUpTo(w.gamma + i, count), LoadUpTo(w.beta + i, count));
}

void LayerNormF32T(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows, float* y,
                   int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    const Moments m = RowMoments(w, x);
    ForEachVector(w.d, [&](int64_t i, size_t count) HWY_ATTR {
      StoreUpTo(Normalised(w, m, x, i, count), DF(), y + i, count);
    });
  }
}

void LayerNormBf16T(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows, BF16* y,
                    int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    const Moments m = RowMoments(w, x);
    ForEachVector(w.d, [&](int64_t i, size_t count)
                           HWY_ATTR { StoreBf16(Normalised(w, m, x, i, count), y + i, count); });
    if (w.d % 2 != 0) y[w.d] = BF16{0};
  }
}

void LayerNormU8T(const LayerNormWeights& w, const float* x, int64_t ldx, int64_t rows,
                  const float* factors, uint8_t* q, int64_t ldq, float* scale) {
  HWY_ALIGN float row[kMaxRotatedColumns];
  const Rotation rotation = RotationOf(w.d);
  for (int64_t r = 0; r < rows; ++r, x += ldx, q += ldq) {
    const Moments m = RowMoments(w, x);
    if (rotation.block > 1) {
      RotateInto(rotation, factors, w.d, row,
                 [&](int64_t i) HWY_ATTR { return Normalised(w, m, x, i, kLanes); });
    } else {
      ForEachVector(w.d, [&](int64_t i, size_t count) HWY_ATTR {
        StoreUpTo(Normalised(w, m, x, i, count), DF(), row + i, count);
      });
    }
    scale[r] = QuantizeRow(row, w.d, q);
  }
}

void GeluT(const float* x, int64_t n, float* y) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    StoreUpTo(GeluVector(DF(), LoadUpTo(x + i, count)), DF(), y + i, count);
  });
}

HWY_INLINE float RowMax(const float* x, int64_t cols) {
  const float kLowest = -std::numeric_limits<float>::infinity();
  VF max = hn::Set(DF(), kLowest);
  ForEachVector(cols, [&](int64_t i, size_t count) HWY_ATTR {
    const VF v = LoadUpTo(x + i, count);
    max = hn::Max(max, count == kLanes
                           ? v
                           : hn::IfThenElse(hn::FirstN(DF(), count), v, hn::Set(DF(), kLowest)));
  });
  return hn::ReduceMax(DF(), max);
}

void SoftmaxRowsT(const float* x, int64_t ldx, int64_t rows, int64_t cols, float* y, int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, y += ldy) {
    const float row_max = RowMax(x, cols);
    if (row_max == -std::numeric_limits<float>::infinity()) {
      std::fill(y, y + cols, 0.0f);
      continue;
    }
    const VF max = hn::Set(DF(), row_max);
    VF sum = hn::Zero(DF());
    ForEachVector(cols, [&](int64_t i, size_t count) HWY_ATTR {
      const VF e = ExpNonPositive(DF(), hn::Sub(LoadUpTo(x + i, count), max));
      sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(DF(), count), e));
      StoreUpTo(e, DF(), y + i, count);
    });
    const VF inverse = hn::Set(DF(), 1.0f / hn::ReduceSum(DF(), sum));
    ForEachVector(cols, [&](int64_t i, size_t count) HWY_ATTR {
      StoreUpTo(hn::Mul(LoadUpTo(y + i, count), inverse), DF(), y + i, count);
    });
  }
}

// Vectors that share one f32 partial sum; the partial sums are added in double, which keeps the
// error free of the row length.
constexpr int64_t kSumBlock = 512;

void LogSoftmaxStatsT(const float* x, int64_t ldx, int64_t rows, int64_t cols, RowStats* stats) {
  for (int64_t r = 0; r < rows; ++r, x += ldx) {
    const float row_max = RowMax(x, cols);
    RowStats& out = stats[r];
    out = {row_max, row_max, 0};
    if (row_max == -std::numeric_limits<float>::infinity()) continue;
    const VF max = hn::Set(DF(), row_max);
    int64_t argmax = 0;
    for (int64_t i = 0; i < cols; i += static_cast<int64_t>(kLanes)) {
      const size_t count = std::min(kLanes, static_cast<size_t>(cols - i));
      const auto hit = hn::And(hn::Eq(LoadUpTo(x + i, count), max), hn::FirstN(DF(), count));
      const intptr_t first = hn::FindFirstTrue(DF(), hit);
      if (first >= 0) {
        argmax = i + first;
        break;
      }
    }
    double total = 0.0;
    for (int64_t begin = 0; begin < cols; begin += kSumBlock) {
      const float* block = x + begin;
      VF sum[2] = {hn::Zero(DF()), hn::Zero(DF())};
      int parity = 0;
      ForEachVector(std::min(kSumBlock, cols - begin), [&](int64_t i, size_t count) HWY_ATTR {
        const VF e = ExpNonPositive(DF(), hn::Sub(LoadUpTo(block + i, count), max));
        sum[parity] = hn::Add(sum[parity], hn::IfThenElseZero(hn::FirstN(DF(), count), e));
        parity ^= 1;
      });
      total += hn::ReduceSum(DF(), hn::Add(sum[0], sum[1]));
    }
    out.log_sum_exp = static_cast<float>(row_max + std::log(total));
    out.argmax = argmax;
  }
}

void SubRowScalarT(const float* x, int64_t n, float b, float* y) {
  const VF v = hn::Set(DF(), b);
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    StoreUpTo(hn::Sub(LoadUpTo(x + i, count), v), DF(), y + i, count);
  });
}

void AddT(const float* a, const float* b, int64_t n, float* y) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    StoreUpTo(hn::Add(LoadUpTo(a + i, count), LoadUpTo(b + i, count)), DF(), y + i, count);
  });
}

void FillRows(KernelTable& table) {
  table.rotate_row = RotateRowT;
  table.quantize_rotated_u8 = QuantizeRotatedU8T;
  table.quantize_rows_u8 = QuantizeRowsU8T;
  table.convert_rows_bf16 = ConvertRowsBf16T;
  table.layer_norm_f32 = LayerNormF32T;
  table.layer_norm_bf16 = LayerNormBf16T;
  table.layer_norm_u8 = LayerNormU8T;
  table.gelu = GeluT;
  table.softmax_rows = SoftmaxRowsT;
  table.log_softmax_stats = LogSoftmaxStatsT;
  table.sub_row_scalar = SubRowScalarT;
  table.add = AddT;
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {
bool FillRowsSimd(Isa isa, KernelTable& table) { TESSERA_FILL(isa, FillRows, table); }
}  // namespace tessera::kernels
#endif  // HWY_ONCE
