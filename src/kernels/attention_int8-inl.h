// Integer attention, compiled per target: packing with 8-bit scales, and blocks of 256 keys whose
// scores and probabilities are 8-bit products.
#if defined(TESSERA_KERNELS_ATTENTION_INT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_ATTENTION_INT8_INL_H_
#undef TESSERA_KERNELS_ATTENTION_INT8_INL_H_
#else
#define TESSERA_KERNELS_ATTENTION_INT8_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"
#include "kernels/linear_tile-inl.h"
#include "kernels/math-inl.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums of probabilities in [0, 127] times signed bytes; no zero point on any target.
struct ProbabilityOps {
  using D = DI;
  using Acc = VI;
  using Weight = VI;
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return hn::LoadU(DI(), reinterpret_cast<const int32_t*>(p));
  }
  static HWY_INLINE VI Broadcast(const uint8_t* p) { return hn::Set(DI(), LoadWord(p)); }
  static HWY_INLINE Acc Step(Acc acc, VI a, const Weight& w) {
    const hn::Repartition<int8_t, DI> di8;
#if HWY_TARGET == HWY_AVX2
    // 127 * 127 * 2 < 2^15: maddubs is exact.
    const __m256i pairs = _mm256_maddubs_epi16(a.raw, w.raw);
    return VI{_mm256_add_epi32(acc.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
#elif HWY_ARCH_X86
    const hn::Repartition<uint8_t, DI> du8;
    return hn::SumOfMulQuadAccumulate(DI(), hn::BitCast(du8, a), hn::BitCast(di8, w), acc);
#else
    return hn::SumOfMulQuadAccumulate(DI(), hn::BitCast(di8, a), hn::BitCast(di8, w), acc);
#endif
  }
};

// mean[columns] and, if asked for, max|x - mean| of each column.
HWY_INLINE void ColumnStatistics(const float* x, int64_t ld, int64_t rows, int64_t columns,
                                 float* mean, float* max) {
  const DF d;
  const VF inverse = hn::Set(d, 1.0f / static_cast<float>(rows));
  for (int64_t i = 0; i < columns; i += static_cast<int64_t>(kLanes)) {
    VF sum0 = hn::Zero(d), sum1 = hn::Zero(d);
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      sum0 = hn::Add(sum0, hn::LoadU(d, x + r * ld + i));
      sum1 = hn::Add(sum1, hn::LoadU(d, x + (r + 1) * ld + i));
    }
    if (r < rows) sum0 = hn::Add(sum0, hn::LoadU(d, x + r * ld + i));
    const VF m = hn::Mul(hn::Add(sum0, sum1), inverse);
    hn::StoreU(m, d, mean + i);
    if (max == nullptr) continue;
    VF largest = hn::Zero(d);
    for (r = 0; r < rows; ++r)
      largest = hn::Max(largest, hn::Abs(hn::Sub(hn::LoadU(d, x + r * ld + i), m)));
    hn::StoreU(largest, d, max + i);
  }
}

// Nearest integers of v, within [-127, 127].
HWY_INLINE VI RoundToByteRange(VF v) {
  const VF limit = hn::Set(DF(), 127.0f);
  return hn::NearestInt(hn::Max(hn::Min(v, limit), hn::Neg(limit)));
}

void PackKeysInt8(const float* key, int64_t ld, int64_t kv_len, int64_t head_dim, void* out) {
  const DF d;
  const hn::Rebind<int8_t, DI> d8;
  const Int8Keys packed = Int8Keys::Of(out, head_dim, kv_len);
  const int64_t lanes = static_cast<int64_t>(kLanes);
  HWY_ALIGN float mean[kMaxHeadDim];
  HWY_ALIGN int8_t rows[kPanelColumns * kMaxHeadDim];
  ColumnStatistics(key, ld, kv_len, head_dim, mean, nullptr);
  const VI row_words =
      hn::Mul(hn::Iota(DI(), 0), hn::Set(DI(), static_cast<int32_t>(head_dim / 4)));
  for (int64_t panel = 0; panel < kv_len; panel += kPanelColumns) {
    const int64_t count = std::min(kPanelColumns, kv_len - panel);
    if (count < kPanelColumns) std::memset(rows, 0, static_cast<size_t>(kPanelColumns * head_dim));
    for (int64_t j = 0; j < kPanelColumns; ++j) {
      float scale = 0, offset = 0;
      if (j < count) {
        const float* from = key + (panel + j) * ld;
        VF largest = hn::Zero(d);
        for (int64_t i = 0; i < head_dim; i += lanes)
          largest =
              hn::Max(largest, hn::Abs(hn::Sub(hn::LoadU(d, from + i), hn::Load(d, mean + i))));
        const float max = hn::ReduceMax(d, largest);
        const float inverse = max > 0x1p-110f ? 127.0f / max : 0.0f;
        VI sum = hn::Zero(DI());
        for (int64_t i = 0; i < head_dim; i += lanes) {
          const VI q = RoundToByteRange(
              hn::Mul(hn::Sub(hn::LoadU(d, from + i), hn::Load(d, mean + i)), hn::Set(d, inverse)));
          sum = hn::Add(sum, q);
          hn::StoreU(hn::DemoteTo(d8, q), d8, rows + j * head_dim + i);
        }
        scale = inverse > 0 ? max / 127.0f : 0.0f;
        offset = scale * static_cast<float>(128 * hn::ReduceSum(DI(), sum));
      }
      packed.scale[panel + j] = scale;
      packed.offset[panel + j] = offset;
    }
    // Four columns of a key are one word; a step of the panel is that word of 64 keys.
    auto* words = reinterpret_cast<int32_t*>(packed.panels + panel * head_dim);
    for (int64_t w = 0; w < head_dim / 4; ++w) {
      for (int64_t lane = 0; lane < kPanelColumns; lane += lanes) {
        const auto* base = reinterpret_cast<const int32_t*>(rows + lane * head_dim) + w;
        hn::StoreU(hn::GatherIndex(DI(), base, row_words), DI(), words);
        words += lanes;
      }
    }
  }
}

#undef TESSERA_STRIDED_QUADS
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
#define TESSERA_STRIDED_QUADS 1
#else
#define TESSERA_STRIDED_QUADS 0
#endif

// The key that step `step` of the values begins with, four keys a step. Where probabilities become
// bytes by packing lanes of four vectors, quads 0, 4, 8, 12 of 16 are neighbours, then 1, 5, 9, 13.
HWY_INLINE int64_t FirstKeyOfStep(int64_t step) {
#if TESSERA_STRIDED_QUADS
  return step / 16 * 64 + (step % 4 * 4 + step % 16 / 4) * 4;
#else
  return step * 4;
#endif
}

void PackValuesInt8(const float* value, int64_t ld, int64_t kv_len, int64_t head_dim, void* out) {
  const DF d;
  const Int8Values packed = Int8Values::Of(out, head_dim, kv_len);
  const int64_t lanes = static_cast<int64_t>(kLanes);
  const int64_t columns = RoundUp(head_dim, kPanelColumns);
  HWY_ALIGN float max[kMaxHeadDim + kPanelColumns] = {};
  HWY_ALIGN float inverse[kMaxHeadDim + kPanelColumns];
  std::fill(packed.mean, packed.mean + columns, 0.0f);
  ColumnStatistics(value, ld, kv_len, head_dim, packed.mean, max);
  for (int64_t i = 0; i < columns; ++i) {
    inverse[i] = max[i] > 0x1p-110f ? 127.0f / max[i] : 0.0f;
    packed.scale[i] = inverse[i] > 0 ? max[i] / 127.0f : 0.0f;
  }
  auto* words = reinterpret_cast<int32_t*>(packed.panels);
  const VI byte = hn::Set(DI(), 0xFF);
  for (int64_t panel = 0; panel < columns; panel += kPanelColumns) {
    for (int64_t step = 0; step < RoundUp(kv_len, kPanelColumns) / 4; ++step) {
      const int64_t j = FirstKeyOfStep(step);
      for (int64_t lane = 0; lane < kPanelColumns; lane += lanes, words += lanes) {
        const int64_t column = panel + lane;
        if (column >= head_dim || j >= kv_len) {  // head_dim is a multiple of the vector size
          hn::StoreU(hn::Zero(DI()), DI(), words);
          continue;
        }
        const VF mean = hn::LoadU(d, packed.mean + column), factor = hn::Load(d, inverse + column);
        const auto quantised = [&](int64_t row) HWY_ATTR {
          if (row >= kv_len) return hn::Zero(DI());
          const VF x = hn::Sub(hn::LoadU(d, value + row * ld + column), mean);
          return hn::And(RoundToByteRange(hn::Mul(x, factor)), byte);
        };
        const VI low = hn::Or(quantised(j), hn::ShiftLeft<8>(quantised(j + 1)));
        const VI high = hn::Or(quantised(j + 2), hn::ShiftLeft<8>(quantised(j + 3)));
        hn::StoreU(hn::Or(low, hn::ShiftLeft<16>(high)), DI(), words);
      }
    }
  }
}

#if !TESSERA_STRIDED_QUADS
// 2^y for y <= 0, relative error below 2^-13: finer than a probability's 1/127.
HWY_INLINE VF Exp2Coarse(VF y) {
  const DF d;
  const VF magic = hn::Set(d, 12582912.0f);
  y = hn::Max(y, hn::Set(d, -126.0f));
  const VF shifted = hn::Add(y, magic);
  const VF f = hn::Sub(y, hn::Sub(shifted, magic));
  VF p = hn::MulAdd(f, hn::Set(d, 0.05517164f), hn::Set(d, 0.24261112f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.69326099f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.99992807f));
  return hn::BitCast(d,
                     hn::Add(hn::BitCast(DI(), p), hn::ShiftLeft<23>(hn::BitCast(DI(), shifted))));
}
#endif

// Scores of kRows queries and one panel of 64 keys, in units of the query's scale:
// scores[r][key] = (query * key) * scale[key] - offset[key]. They are made of the sums while these
// are still in registers. Keys from visible[r] on (counted from the panel's first) become minus
// infinity. max[r] takes the largest seen so far.
template <int kRows>
HWY_NOINLINE void ScoreTile(const uint8_t* queries, int64_t head_dim, const uint8_t* panel,
                            const float* scale, const float* offset, const int64_t* visible,
                            float* scores, VF* max) {
  const DF d;
  constexpr int kVecs = TileShape<Int8Ops>::Vecs(kRows);
  const bool all_visible = *std::min_element(visible, visible + kRows) >= kPanelColumns;
  for (int group = 0; group < kPanelVecs; group += kVecs) {
    // Without the pragmas these loops are unrolled too late, and the sums lie on the stack.
    VI sums[kRows][kVecs];
    TESSERA_UNROLL
    for (int r = 0; r < kRows; ++r) {
      TESSERA_UNROLL
      for (int c = 0; c < kVecs; ++c) sums[r][c] = hn::Zero(DI());
    }
    AccumulateTile<Int8Ops, kRows, kVecs>(queries, head_dim, panel + group * kLanes * 4,
                                          head_dim / 4, sums);
    const int64_t first = group * static_cast<int64_t>(kLanes);
    TESSERA_UNROLL
    for (int r = 0; r < kRows; ++r) {
      VF x[kVecs];
      TESSERA_UNROLL
      for (int c = 0; c < kVecs; ++c) {
        const int64_t at = first + c * static_cast<int64_t>(kLanes);
        VF zero = hn::Zero(d);
        if constexpr (Int8Ops::kZeroPointInSums) zero = hn::LoadU(d, offset + at);
        x[c] = hn::MulSub(hn::ConvertTo(d, sums[r][c]), hn::LoadU(d, scale + at), zero);
      }
      if (HWY_UNLIKELY(!all_visible)) {
        TESSERA_UNROLL
        for (int c = 0; c < kVecs; ++c) {
          const int64_t at = first + c * static_cast<int64_t>(kLanes);
          const auto left = static_cast<size_t>(std::max<int64_t>(visible[r] - at, 0));
          x[c] = hn::IfThenElse(hn::FirstN(d, left), x[c],
                                hn::Set(d, -std::numeric_limits<float>::infinity()));
        }
      }
      VF largest = max[r];
      TESSERA_UNROLL
      for (int c = 0; c < kVecs; ++c) {
        largest = hn::Max(largest, x[c]);
        hn::StoreU(x[c], d, scores + r * kKeyBlock + first + c * static_cast<int64_t>(kLanes));
      }
      max[r] = largest;
    }
  }
}

// ScoreTile for a number of rows known only at run time.
HWY_INLINE void ScoreRows(int64_t rows, const uint8_t* queries, int64_t head_dim,
                          const uint8_t* panel, const float* scale, const float* offset,
                          const int64_t* visible, float* scores, VF* max) {
  switch (rows) {
    case 1:
      return ScoreTile<1>(queries, head_dim, panel, scale, offset, visible, scores, max);
    case 2:
      return ScoreTile<2>(queries, head_dim, panel, scale, offset, visible, scores, max);
    case 3:
      return ScoreTile<3>(queries, head_dim, panel, scale, offset, visible, scores, max);
    case 4:
      return ScoreTile<4>(queries, head_dim, panel, scale, offset, visible, scores, max);
    default:
      if constexpr (TileShape<Int8Ops>::kRows == 6) {
        if (rows == 5)
          return ScoreTile<5>(queries, head_dim, panel, scale, offset, visible, scores, max);
        return ScoreTile<6>(queries, head_dim, panel, scale, offset, visible, scores, max);
      }
  }
}

// Scores [0, width) of one query become probabilities relative to the block's largest, which is
// `max` in base 2; returns their sum in 1/127. `factor`: the query's scale, the softmax's and
// log2(e) in one.
#if TESSERA_STRIDED_QUADS
// A power of two by its exponent in steps of 1/32: a table of the fraction, shifted down by the
// whole. Within 1.1 % of the power (its argument is rounded to 1/64), and then rounded to 1/127.
HWY_INLINE float SoftmaxInt8Row(const float* scores, float factor, float max, int64_t width,
                                uint8_t* out) {
  // 127 * 2^8 * 2^(-i / 32)
  alignas(64) static constexpr uint16_t kPowers[32] = {
      32512, 31815, 31134, 30466, 29814, 29175, 28550, 27938, 27339, 26753, 26180,
      25619, 25070, 24533, 24007, 23493, 22989, 22497, 22015, 21543, 21081, 20630,
      20188, 19755, 19332, 18918, 18512, 18115, 17727, 17347, 16976, 16612};
  // The powers come down by 7 bits, and by one more with rounding.
  constexpr float kSteps = 32.0f, kFirst = 7 * kSteps;
  const __m512i powers = _mm512_load_si512(kPowers), zero = _mm512_setzero_si512();
  const __m512 times = _mm512_set1_ps(factor * kSteps);
  const __m512 shift = _mm512_set1_ps(max * kSteps + kFirst);
  const __m512 most = _mm512_set1_ps(65535.0f);  // also instead of NaN
  __m512i sum = zero;
  const auto exponents = [&](const float* at) HWY_ATTR {
    const __m512 steps = _mm512_fnmadd_ps(_mm512_loadu_ps(at), times, shift);
    return _mm512_cvtps_epi32(_mm512_min_ps(steps, most));
  };
  const auto levels = [&](const float* at) HWY_ATTR {
    const __m512i e = _mm512_packus_epi32(exponents(at), exponents(at + 16));
    const __m512i power = _mm512_permutexvar_epi16(e, powers);
    return _mm512_avg_epu16(_mm512_srlv_epi16(power, _mm512_srli_epi16(e, 5)), zero);
  };
  for (int64_t i = 0; i < width; i += kPanelColumns) {
    const __m512i p = _mm512_packus_epi16(levels(scores + i), levels(scores + i + 32));
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(p, zero));
    _mm512_storeu_si512(out + i, p);
  }
  return static_cast<float>(_mm512_reduce_add_epi64(sum));
}
#else
HWY_INLINE float SoftmaxInt8Row(const float* scores, float factor, float max, int64_t width,
                                uint8_t* out) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(kLanes);
  const hn::Rebind<uint8_t, DU> d8;
  const VF times = hn::Set(d, factor), shift = hn::Set(d, max);
  const VF levels = hn::Set(d, kProbabilityLevels), magic = hn::Set(d, 8388608.0f);
  VF sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  const auto level = [&](int64_t at, VF& sum) HWY_ATTR {
    // Adding 2^23 rounds to an integer and leaves it in the low bits.
    const VF p =
        hn::MulAdd(Exp2Coarse(hn::MulSub(hn::LoadU(d, scores + at), times, shift)), levels, magic);
    sum = hn::Add(sum, hn::Sub(p, magic));
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(DU(), p)), d8, out + at);
  };
  for (int64_t i = 0; i < width; i += 2 * lanes) {
    level(i, sum0);
    level(i + lanes, sum1);
  }
  return hn::ReduceSum(d, hn::Add(sum0, sum1));
}
#endif

void AttendBlockInt8(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                     const AttendOptions& options, float* out, int64_t out_ld, void* scratch) {
  constexpr int64_t kTileRows =
      std::min(TileShape<Int8Ops>::kRows, TileShape<ProbabilityOps>::kRows);
  static_assert(kTileRows <= kMaxTileRows);
  constexpr int64_t kFactorRows = 8;
  static_assert(kMaxTileRows <= kFactorRows && 2 * kFactorRows % kLanes == 0);
  const DF d;
  const int64_t lanes = static_cast<int64_t>(kLanes);
  const int64_t head_dim = kv.head_dim;
  const AttendScratch s = AttendScratch::Of(scratch, rows, head_dim);
  const Int8Keys keys = Int8Keys::Of(kv.keys, head_dim, kv.kv_len);
  const Int8Values values = Int8Values::Of(kv.values, head_dim, kv.kv_len);
  const auto* key_panels = reinterpret_cast<const uint8_t*>(keys.panels);
  const auto* value_panels = reinterpret_cast<const uint8_t*>(values.panels);
  const int64_t value_panel_bytes = RoundUp(kv.kv_len, kPanelColumns) * kPanelColumns;
  uint8_t* const quantised = s.queries;
  auto* const query_scale = reinterpret_cast<float*>(s.queries + rows * head_dim);
  auto* const sums_of_block = reinterpret_cast<int32_t*>(s.scores);
  Kernels().quantize_rows_u8(query, query_ld, rows, head_dim, quantised, head_dim, query_scale);
  std::fill(s.max, s.max + rows, -std::numeric_limits<float>::infinity());
  std::fill(s.sum, s.sum + rows, 0.0f);
  std::fill(s.sums, s.sums + rows * s.sums_ld, 0.0f);

  const int64_t last_visible =
      options.causal ? std::min(kv.kv_len, options.first_position + rows) : kv.kv_len;
  for (int64_t key0 = 0; key0 < last_visible; key0 += kKeyBlock) {
    for (int64_t row0 = 0; row0 < rows; row0 += kTileRows) {
      const int64_t tile_rows = std::min(kTileRows, rows - row0);
      const int64_t limit = options.causal
                                ? std::min(kv.kv_len, options.first_position + row0 + tile_rows)
                                : kv.kv_len;
      const int64_t count = std::min(kKeyBlock, limit - key0);
      if (count <= 0) continue;
      const int64_t width = RoundUp(count, kPanelColumns);
      int64_t visible[kMaxTileRows];
      VF largest[kMaxTileRows];
      for (int64_t r = 0; r < tile_rows; ++r) {
        const int64_t row_limit =
            options.causal ? std::min(kv.kv_len, options.first_position + row0 + r + 1) : kv.kv_len;
        visible[r] = std::clamp<int64_t>(row_limit - key0, 0, kKeyBlock);
        largest[r] = hn::Set(d, -std::numeric_limits<float>::infinity());
      }
      for (int64_t key = 0; key < count; key += kPanelColumns) {
        int64_t in_panel[kMaxTileRows];
        for (int64_t r = 0; r < tile_rows; ++r) in_panel[r] = visible[r] - key;
        ScoreRows(tile_rows, quantised + row0 * head_dim, head_dim,
                  key_panels + (key0 + key) * head_dim, keys.scale + key0 + key,
                  keys.offset + key0 + key, in_panel, s.scores + key, largest);
      }
      // What the sums so far and those of the block are multiplied with, as exponents first.
      HWY_ALIGN float factors[2 * kFactorRows] = {};
      float* const old_factor = factors;
      float* const block_factor = factors + kFactorRows;
      float block_sums[kMaxTileRows];
      for (int64_t r = 0; r < tile_rows; ++r) {
        const int64_t row = row0 + r;
        uint8_t* probabilities = s.probabilities + r * kKeyBlock;
        if (visible[r] == 0) {
          std::memset(probabilities, 0, static_cast<size_t>(width));
          block_factor[r] = -std::numeric_limits<float>::infinity();
          block_sums[r] = 0.0f;
          continue;
        }
        const float factor = query_scale[row] * options.scale * 1.44269504088896341f;
        const float block_max = hn::ReduceMax(d, largest[r]) * factor;
        block_sums[r] =
            SoftmaxInt8Row(s.scores + r * kKeyBlock, factor, block_max, width, probabilities);
        const float max = std::max(s.max[row], block_max);
        old_factor[r] = (s.max[row] - max) * 0.693147180559945309f;
        block_factor[r] = (block_max - max) * 0.693147180559945309f;
        s.max[row] = max;
      }
      for (int64_t i = 0; i < 2 * kFactorRows; i += lanes)
        hn::Store(ExpNonPositive(d, hn::Load(d, factors + i)), d, factors + i);
      for (int64_t r = 0; r < tile_rows; ++r)
        s.sum[row0 + r] = s.sum[row0 + r] * old_factor[r] + block_sums[r] * block_factor[r];
      // The scores are spent; their memory takes the sums of the values.
      const int64_t steps = (TESSERA_STRIDED_QUADS ? width : count + 3) / 4;
      for (int64_t i = 0; i < s.sums_ld; i += kPanelColumns) {
        RunTileRows<ProbabilityOps>(
            tile_rows, s.probabilities, kKeyBlock,
            value_panels + i / kPanelColumns * value_panel_bytes + key0 * kPanelColumns, steps,
            false, sums_of_block, kKeyBlock);
        for (int64_t r = 0; r < tile_rows; ++r) {
          float* sums = s.sums + (row0 + r) * s.sums_ld + i;
          const VF keep = hn::Set(d, old_factor[r]), add = hn::Set(d, block_factor[r]);
          for (int64_t c = 0; c < kPanelColumns; c += lanes) {
            const VF block = hn::ConvertTo(d, hn::LoadU(DI(), sums_of_block + r * kKeyBlock + c));
            hn::StoreU(hn::MulAdd(block, add, hn::Mul(hn::LoadU(d, sums + c), keep)), d, sums + c);
          }
        }
      }
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    const VF inverse = hn::Set(d, 1.0f / s.sum[r]);
    for (int64_t i = 0; i < head_dim; i += lanes) {
      const VF x = hn::Mul(hn::LoadU(d, s.sums + r * s.sums_ld + i), inverse);
      hn::StoreU(hn::MulAdd(x, hn::LoadU(d, values.scale + i), hn::LoadU(d, values.mean + i)), d,
                 out + r * out_ld + i);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_KERNELS_ATTENTION_INT8_INL_H_
