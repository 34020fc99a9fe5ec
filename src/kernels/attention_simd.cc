// Attention for every vector instruction set: blocks of keys against tiles of queries, with the
// register tile of the linear kernels.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"
#if TESSERA_SIMD_TARGET
#include "kernels/attention_int8-inl.h"
#include "kernels/linear_tile-inl.h"
#include "kernels/math-inl.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Two f32 vectors as pairs of bf16 in words: `low` in the lower halves.
HWY_INLINE VU Bf16Pairs(VF low, VF high) {
  const auto round = [](VF v) HWY_ATTR {
    const VU u = hn::BitCast(DU(), v);
    const VU odd = hn::And(hn::ShiftRight<16>(u), hn::Set(DU(), 1));
    const VU rounded = hn::Add(u, hn::Add(odd, hn::Set(DU(), 0x7FFF)));
    const VU nan = hn::Or(u, hn::Set(DU(), 0x400000));
    return hn::IfThenElse(hn::RebindMask(DU(), hn::IsNaN(v)), nan, rounded);
  };
  return hn::Or(hn::ShiftRight<16>(round(low)), hn::And(round(high), hn::Set(DU(), 0xFFFF0000u)));
}

// Keys are transposed by gathering: vector c of step i holds column i of kLanes keys.
void PackKeysSimd(Precision stored, const float* key, int64_t ld, int64_t kv_len, int64_t head_dim,
                  void* out) {
  if (stored == Precision::kInt8) return PackKeysInt8(key, ld, kv_len, head_dim, out);
  const VI index = hn::Mul(hn::Iota(DI(), 0), hn::Set(DI(), static_cast<int32_t>(ld)));
  auto* words = static_cast<uint32_t*>(out);
  const int64_t per_word = stored == Precision::kF32 ? 1 : 2;
  for (int64_t panel = 0; panel < kv_len; panel += kPanelColumns) {
    for (int64_t i = 0; i < head_dim; i += per_word) {
      for (int64_t lane = 0; lane < kPanelColumns; lane += static_cast<int64_t>(kLanes)) {
        const int64_t first = panel + lane;
        const auto count = static_cast<size_t>(std::clamp<int64_t>(kv_len - first, 0, kLanes));
        // Past the last key nothing is read, but the address must still be inside.
        const float* at = key + (count > 0 ? first * ld : 0) + i;
        const VF a = hn::GatherIndexN(DF(), at, index, count);
        if (stored == Precision::kF32) {
          hn::StoreU(hn::BitCast(DU(), a), DU(), words);
        } else {
          hn::StoreU(Bf16Pairs(a, hn::GatherIndexN(DF(), at + 1, index, count)), DU(), words);
        }
        words += kLanes;
      }
    }
  }
}

// Values keep their order; in bf16 two rows share the words of one step.
void PackValuesSimd(Precision stored, const float* value, int64_t ld, int64_t kv_len,
                    int64_t head_dim, void* out) {
  if (stored == Precision::kInt8) return PackValuesInt8(value, ld, kv_len, head_dim, out);
  auto* words = static_cast<uint32_t*>(out);
  const int64_t per_word = stored == Precision::kF32 ? 1 : 2;
  for (int64_t panel = 0; panel < head_dim; panel += kPanelColumns) {
    for (int64_t j = 0; j < kv_len; j += per_word) {
      for (int64_t lane = 0; lane < kPanelColumns; lane += static_cast<int64_t>(kLanes)) {
        const int64_t column = panel + lane;
        // head_dim is a multiple of the vector size, so a vector is inside or outside as a whole.
        const bool inside = column < head_dim;
        const VF a = inside ? hn::LoadU(DF(), value + j * ld + column) : hn::Zero(DF());
        if (stored == Precision::kF32) {
          hn::StoreU(hn::BitCast(DU(), a), DU(), words);
        } else {
          const VF b = inside && j + 1 < kv_len ? hn::LoadU(DF(), value + (j + 1) * ld + column)
                                                : hn::Zero(DF());
          hn::StoreU(Bf16Pairs(a, b), DU(), words);
        }
        words += kLanes;
      }
    }
  }
}

// Copies a [rows, head_dim] query block into scratch, times scale, in the type that Ops reads.
template <class Ops>
void LoadQueries(const float* query, int64_t ld, int64_t rows, int64_t head_dim, float scale,
                 uint8_t* out, int64_t out_stride) {
  const VF factor = hn::Set(DF(), scale);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < head_dim; i += static_cast<int64_t>(kLanes)) {
      const VF v = hn::Mul(hn::LoadU(DF(), query + r * ld + i), factor);
      if constexpr (std::is_same_v<Ops, F32Ops>) {
        hn::StoreU(v, DF(), reinterpret_cast<float*>(out + r * out_stride) + i);
      } else {
        StoreBf16(v, reinterpret_cast<BF16*>(out + r * out_stride) + i, kLanes);
      }
    }
  }
}

// One row of scores [0, visible) of a block becomes probabilities relative to the running maximum,
// zeros up to `width` (a multiple of the vector size). Returns the factor for what was summed
// before.
template <class Ops>
HWY_INLINE float SoftmaxBlockRow(float* scores, int64_t visible, int64_t width, uint8_t* out,
                                 float* running_max, float* running_sum) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(kLanes);
  const VF lowest = hn::Set(d, kMinusInfinity);
  VF max0 = lowest, max1 = lowest;
  int64_t i = 0;
  for (; i + 2 * lanes <= visible; i += 2 * lanes) {
    max0 = hn::Max(max0, hn::LoadU(d, scores + i));
    max1 = hn::Max(max1, hn::LoadU(d, scores + i + lanes));
  }
  for (; i < visible; i += lanes) {
    const auto seen = hn::FirstN(d, static_cast<size_t>(visible - i));
    max0 = hn::Max(max0, hn::IfThenElse(seen, hn::LoadU(d, scores + i), lowest));
  }
  const float old_max = *running_max;
  const float new_max = std::max(old_max, hn::ReduceMax(d, hn::Max(max0, max1)));
  const VF shift = hn::Set(d, new_max);
  const auto probability = [&](int64_t at) HWY_ATTR {
    const VF p = ExpNonPositive(d, hn::Sub(hn::LoadU(d, scores + at), shift));
    if (HWY_LIKELY(at + lanes <= visible)) return p;
    const int64_t left = std::max<int64_t>(visible - at, 0);
    return hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(left)), p);
  };
  VF sum0 = hn::Zero(d), sum1 = hn::Zero(d);
  for (i = 0; i < width; i += 2 * lanes) {
    const VF p0 = probability(i), p1 = probability(i + lanes);
    sum0 = hn::Add(sum0, p0);
    sum1 = hn::Add(sum1, p1);
    if constexpr (std::is_same_v<Ops, F32Ops>) {
      hn::StoreU(p0, d, reinterpret_cast<float*>(out) + i);
      hn::StoreU(p1, d, reinterpret_cast<float*>(out) + i + lanes);
    } else {
      const hn::Repartition<hwy::bfloat16_t, DF> db;
      const auto p = hn::OrderedDemote2To(db, p0, p1);
      hn::StoreU(hn::BitCast(DU(), p), DU(), reinterpret_cast<uint32_t*>(out) + i / 2);
    }
  }
  const float rescale =
      old_max == new_max ? 1.0f : hn::GetLane(ExpNonPositive(d, hn::Set(d, old_max - new_max)));
  *running_max = new_max;
  *running_sum = *running_sum * rescale + hn::ReduceSum(d, hn::Add(sum0, sum1));
  return rescale;
}

template <class Ops>
void AttendBlockT(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                  const AttendOptions& options, float* out, int64_t out_ld, void* scratch) {
  constexpr int64_t kElement = std::is_same_v<Ops, F32Ops> ? 4 : 2;
  constexpr int64_t kTileRows = TileShape<Ops>::kRows;
  static_assert(kTileRows <= kMaxTileRows);
  const int64_t head_dim = kv.head_dim;
  const AttendScratch s = AttendScratch::Of(scratch, rows, head_dim);
  const int64_t query_stride = head_dim * 4;
  const int64_t key_panel_bytes = head_dim * kPanelColumns * kElement;
  const int64_t value_panel_bytes = PaddedKeys(kv.precision, kv.kv_len) * kPanelColumns * kElement;
  const auto* keys = static_cast<const uint8_t*>(kv.keys);
  const auto* values = static_cast<const uint8_t*>(kv.values);

  LoadQueries<Ops>(query, query_ld, rows, head_dim, options.scale, s.queries, query_stride);
  std::fill(s.max, s.max + rows, kMinusInfinity);
  std::fill(s.sum, s.sum + rows, 0.0f);

  const int64_t last_visible =
      options.causal ? std::min(kv.kv_len, options.first_position + rows) : kv.kv_len;
  for (int64_t key0 = 0; key0 < last_visible; key0 += kKeyBlock) {
    for (int64_t row0 = 0; row0 < rows; row0 += kTileRows) {
      const int64_t tile_rows = std::min(kTileRows, rows - row0);
      // Keys of this block that the last row of the tile sees.
      const int64_t limit = options.causal
                                ? std::min(kv.kv_len, options.first_position + row0 + tile_rows)
                                : kv.kv_len;
      const int64_t count = std::min(kKeyBlock, limit - key0);
      if (count <= 0) continue;
      const uint8_t* tile_queries = s.queries + row0 * query_stride;
      for (int64_t key = 0; key < count; key += kPanelColumns) {
        RunTileRows<Ops>(tile_rows, tile_queries, query_stride,
                         keys + (key0 + key) / kPanelColumns * key_panel_bytes,
                         head_dim * kElement / 4, false, s.scores + key, kKeyBlock);
      }
      const int64_t width = (count + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
      for (int64_t r = 0; r < tile_rows; ++r) {
        const int64_t row = row0 + r;
        const int64_t row_limit =
            options.causal ? std::min(kv.kv_len, options.first_position + row + 1) : kv.kv_len;
        float* scores = s.scores + r * kKeyBlock;
        uint8_t* probabilities = s.probabilities + r * kKeyBlock * 4;
        const int64_t visible = std::clamp<int64_t>(row_limit - key0, 0, kKeyBlock);
        if (visible == 0) {
          std::fill(probabilities, probabilities + width * kElement, uint8_t{0});
          continue;
        }
        const float rescale =
            SoftmaxBlockRow<Ops>(scores, visible, width, probabilities, s.max + row, s.sum + row);
        if (key0 == 0 || rescale == 1.0f) continue;
        float* sums = s.sums + row * s.sums_ld;
        for (int64_t i = 0; i < s.sums_ld; i += static_cast<int64_t>(kLanes)) {
          hn::StoreU(hn::Mul(hn::LoadU(DF(), sums + i), hn::Set(DF(), rescale)), DF(), sums + i);
        }
      }
      const int64_t steps = (count * kElement + 3) / 4;
      for (int64_t i = 0; i < s.sums_ld; i += kPanelColumns) {
        RunTileRows<Ops>(
            tile_rows, s.probabilities, kKeyBlock * 4,
            values + i / kPanelColumns * value_panel_bytes + key0 * kPanelColumns * kElement, steps,
            key0 > 0, s.sums + row0 * s.sums_ld + i, s.sums_ld);
      }
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    const VF inverse = hn::Set(DF(), 1.0f / s.sum[r]);
    for (int64_t i = 0; i < head_dim; i += static_cast<int64_t>(kLanes)) {
      hn::StoreU(hn::Mul(hn::LoadU(DF(), s.sums + r * s.sums_ld + i), inverse), DF(),
                 out + r * out_ld + i);
    }
  }
}

void AttendBlockSimd(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                     const AttendOptions& options, float* out, int64_t out_ld, void* scratch) {
  switch (kv.precision) {
    case Precision::kF32:
      return AttendBlockT<F32Ops>(kv, query, query_ld, rows, options, out, out_ld, scratch);
    case Precision::kBf16:
      return AttendBlockT<Bf16Ops>(kv, query, query_ld, rows, options, out, out_ld, scratch);
    case Precision::kInt8:
      return AttendBlockInt8(kv, query, query_ld, rows, options, out, out_ld, scratch);
  }
}

// A cache row as f32: in place, or converted into `buffer`. Its scale (kI8) is left to the caller.
HWY_INLINE const float* RowAsF32(const CacheView& cache, int64_t slot, int64_t position,
                                 int64_t head_dim, float* buffer) {
  const DF d;
  const int64_t offset = slot * cache.slot_stride + position * cache.position_stride;
  if (cache.dtype == DType::kF32) return static_cast<const float*>(cache.data) + offset;
  for (int64_t i = 0; i < head_dim; i += static_cast<int64_t>(kLanes)) {
    if (cache.dtype == DType::kBF16) {
      const hn::Rebind<uint16_t, DF> d16;
      const auto* row = reinterpret_cast<const uint16_t*>(cache.data) + offset;
      const VU bits = hn::ShiftLeft<16>(hn::PromoteTo(DU(), hn::LoadU(d16, row + i)));
      hn::StoreU(hn::BitCast(d, bits), d, buffer + i);
    } else {
      const hn::Rebind<int8_t, DF> d8;
      const auto* row = static_cast<const int8_t*>(cache.data) + offset;
      hn::StoreU(hn::ConvertTo(d, hn::PromoteTo(DI(), hn::LoadU(d8, row + i))), d, buffer + i);
    }
  }
  return buffer;
}

HWY_INLINE float RowScaleOf(const CacheView& cache, int64_t slot, int64_t position) {
  if (cache.dtype != DType::kI8) return 1.0f;
  return cache.scales[slot * cache.scale_slot_stride + position * cache.scale_position_stride];
}

HWY_INLINE float Dot(const float* a, const float* b, int64_t n) {
  VF sum = hn::Zero(DF());
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(kLanes)) {
    sum = hn::MulAdd(hn::LoadU(DF(), a + i), hn::LoadU(DF(), b + i), sum);
  }
  return hn::ReduceSum(DF(), sum);
}

// Up to kMaxSharedQueries queries: scores of all, softmax of each, then the weighted sum of values
// in blocks that stay in L1.
void CachedAttentionGroup(const CachedAttentionArgs& a, int64_t first, int64_t queries) {
  HWY_ALIGN float row_buffer[kMaxHeadDim];
  const int64_t ld = CachedScoresLd(a.length);
  const float* query = a.query + first * a.query_ld;
  for (int64_t p = 0; p < a.length; ++p) {
    const int64_t slot = a.slots ? a.slots[p] : a.slot;
    const float* key = RowAsF32(a.key, slot, p, a.head_dim, row_buffer);
    const float factor = a.scale * RowScaleOf(a.key, slot, p);
    for (int64_t q = 0; q < queries; ++q) {
      a.scratch[q * ld + p] = factor * Dot(query + q * a.query_ld, key, a.head_dim);
    }
  }
  float inverse[kMaxSharedQueries];
  for (int64_t q = 0; q < queries; ++q) {
    float* scores = a.scratch + q * ld;
    std::fill(scores + a.length, scores + ld, kMinusInfinity);
    float max = kMinusInfinity, sum = 0.0f;
    SoftmaxBlockRow<F32Ops>(scores, a.length, ld, reinterpret_cast<uint8_t*>(scores), &max, &sum);
    inverse[q] = 1.0f / sum;
  }
  HWY_ALIGN float sums[kMaxSharedQueries * kMaxHeadDim];
  std::fill(sums, sums + queries * a.head_dim, 0.0f);
  HWY_ALIGN float block[kValueBlock * kMaxHeadDim];
  const float* rows[kValueBlock];
  float scales[kValueBlock];
  for (int64_t p0 = 0; p0 < a.length; p0 += kValueBlock) {
    const int64_t count = std::min(kValueBlock, a.length - p0);
    for (int64_t j = 0; j < count; ++j) {
      const int64_t slot = a.slots ? a.slots[p0 + j] : a.slot;
      rows[j] = RowAsF32(a.value, slot, p0 + j, a.head_dim, block + j * a.head_dim);
      scales[j] = RowScaleOf(a.value, slot, p0 + j);
    }
    for (int64_t q = 0; q < queries; ++q) {
      const float* weights = a.scratch + q * ld + p0;
      for (int64_t i = 0; i < a.head_dim; i += 16) {
        constexpr int kVecs = 16 / kLanes;
        float* sum = sums + q * a.head_dim + i;
        VF acc[kVecs];
        for (int c = 0; c < kVecs; ++c) acc[c] = hn::LoadU(DF(), sum + c * kLanes);
        for (int64_t j = 0; j < count; ++j) {
          const VF w = hn::Set(DF(), weights[j] * scales[j]);
          for (int c = 0; c < kVecs; ++c) {
            acc[c] = hn::MulAdd(w, hn::LoadU(DF(), rows[j] + i + c * kLanes), acc[c]);
          }
        }
        for (int c = 0; c < kVecs; ++c) hn::StoreU(acc[c], DF(), sum + c * kLanes);
      }
    }
  }
  for (int64_t q = 0; q < queries; ++q) {
    float* out = a.out + (first + q) * a.out_ld;
    for (int64_t i = 0; i < a.head_dim; ++i) out[i] = sums[q * a.head_dim + i] * inverse[q];
  }
}

void CachedAttentionSimd(const CachedAttentionArgs& args) {
  for (int64_t q = 0; q < args.num_queries; q += kMaxSharedQueries) {
    CachedAttentionGroup(args, q, std::min(kMaxSharedQueries, args.num_queries - q));
  }
}

void FillAttention(KernelTable& table) {
  table.pack_keys = PackKeysSimd;
  table.pack_values = PackValuesSimd;
  table.attend_block = AttendBlockSimd;
  table.cached_attention = CachedAttentionSimd;
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {
bool FillAttentionSimd(Isa isa, KernelTable& table) { TESSERA_FILL(isa, FillAttention, table); }
}  // namespace tessera::kernels
#endif  // HWY_ONCE
