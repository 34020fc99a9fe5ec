// Attention in plain C++. PackKeysValues's layout is shared with the vector forms; sums run in
// double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Index of element (row i of k, column) in panels of 64 columns with `pair` values of k side by
// side.
int64_t PanelIndex(int64_t i, int64_t column, int64_t k_padded, int64_t pair) {
  return (column / kPanelColumns * k_padded + i / pair * pair) * kPanelColumns +
         column % kPanelColumns * pair + i % pair;
}

void PackKeysRef(Precision stored, const float* key, int64_t ld, int64_t kv_len, int64_t head_dim,
                 void* out) {
  const int64_t pair = stored == Precision::kF32 ? 1 : 2;
  for (int64_t key_index = 0; key_index < RoundUp(kv_len, kPanelColumns); ++key_index) {
    for (int64_t i = 0; i < head_dim; ++i) {
      const float x = key_index < kv_len ? key[key_index * ld + i] : 0.0f;
      const int64_t at = PanelIndex(i, key_index, head_dim, pair);
      if (stored == Precision::kF32) {
        static_cast<float*>(out)[at] = x;
      } else {
        static_cast<BF16*>(out)[at] = ToBF16(x);
      }
    }
  }
}

void PackValuesRef(Precision stored, const float* value, int64_t ld, int64_t kv_len,
                   int64_t head_dim, void* out) {
  const int64_t pair = stored == Precision::kF32 ? 1 : 2;
  const int64_t keys = PaddedKeys(stored, kv_len);
  for (int64_t j = 0; j < keys; ++j) {
    for (int64_t i = 0; i < RoundUp(head_dim, kPanelColumns); ++i) {
      const float x = j < kv_len && i < head_dim ? value[j * ld + i] : 0.0f;
      const int64_t at = PanelIndex(j, i, keys, pair);
      if (stored == Precision::kF32) {
        static_cast<float*>(out)[at] = x;
      } else {
        static_cast<BF16*>(out)[at] = ToBF16(x);
      }
    }
  }
}

float PanelValue(Precision stored, const void* panels, int64_t at) {
  return stored == Precision::kF32 ? static_cast<const float*>(panels)[at]
                                   : ToF32(static_cast<const BF16*>(panels)[at]);
}

void AttendBlockRef(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                    const AttendOptions& options, float* out, int64_t out_ld, void*) {
  const int64_t pair = kv.precision == Precision::kF32 ? 1 : 2;
  const int64_t keys = PaddedKeys(kv.precision, kv.kv_len);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t visible =
        options.causal ? std::min(kv.kv_len, options.first_position + r + 1) : kv.kv_len;
    float q[kMaxHeadDim];
    for (int64_t i = 0; i < kv.head_dim; ++i) {
      const float x = query[r * query_ld + i] * options.scale;
      q[i] = kv.precision == Precision::kF32 ? x : ToF32(ToBF16(x));
    }
    // The running maximum of the vector forms, key by key: no memory for the scores.
    double sums[kMaxHeadDim] = {};
    double max = kMinusInfinity, sum = 0.0;
    for (int64_t j = 0; j < visible; ++j) {
      double score = 0.0;
      for (int64_t i = 0; i < kv.head_dim; ++i) {
        score += static_cast<double>(q[i]) *
                 PanelValue(kv.precision, kv.keys, PanelIndex(i, j, kv.head_dim, pair));
      }
      if (score > max) {
        const double rescale = std::exp(max - score);
        for (int64_t i = 0; i < kv.head_dim; ++i) sums[i] *= rescale;
        sum *= rescale;
        max = score;
      }
      const double p = std::exp(score - max);
      sum += p;
      for (int64_t i = 0; i < kv.head_dim; ++i) {
        sums[i] += p * PanelValue(kv.precision, kv.values, PanelIndex(j, i, keys, pair));
      }
    }
    for (int64_t i = 0; i < kv.head_dim; ++i) {
      out[r * out_ld + i] = static_cast<float>(sums[i] / sum);
    }
  }
}

double CacheValue(const CacheView& cache, int64_t slot, int64_t position, int64_t i) {
  const int64_t at = slot * cache.slot_stride + position * cache.position_stride + i;
  if (cache.dtype == DType::kF32) return static_cast<const float*>(cache.data)[at];
  if (cache.dtype == DType::kBF16) return ToF32(static_cast<const BF16*>(cache.data)[at]);
  return static_cast<double>(static_cast<const int8_t*>(cache.data)[at]) *
         cache.scales[slot * cache.scale_slot_stride + position * cache.scale_position_stride];
}

void CachedAttentionRef(const CachedAttentionArgs& a) {
  for (int64_t q = 0; q < a.num_queries; ++q) {
    const float* query = a.query + q * a.query_ld;
    float max = kMinusInfinity;
    for (int64_t p = 0; p < a.length; ++p) {
      const int64_t slot = a.slots ? a.slots[p] : a.slot;
      double score = 0.0;
      for (int64_t i = 0; i < a.head_dim; ++i) score += query[i] * CacheValue(a.key, slot, p, i);
      a.scratch[p] = static_cast<float>(score * a.scale);
      max = std::max(max, a.scratch[p]);
    }
    double sums[kMaxHeadDim] = {};
    double sum = 0.0;
    for (int64_t p = 0; p < a.length; ++p) {
      const int64_t slot = a.slots ? a.slots[p] : a.slot;
      const double weight = std::exp(static_cast<double>(a.scratch[p]) - max);
      sum += weight;
      for (int64_t i = 0; i < a.head_dim; ++i) sums[i] += weight * CacheValue(a.value, slot, p, i);
    }
    for (int64_t i = 0; i < a.head_dim; ++i) {
      a.out[q * a.out_ld + i] = static_cast<float>(sums[i] / sum);
    }
  }
}

}  // namespace

void FillAttentionRef(KernelTable& table) {
  table.pack_keys = [](Precision precision, const float* key, int64_t ld, int64_t kv_len,
                       int64_t head_dim, void* out) {
    (precision == Precision::kInt8 ? PackKeysInt8Ref : PackKeysRef)(precision, key, ld, kv_len,
                                                                    head_dim, out);
  };
  table.pack_values = [](Precision precision, const float* value, int64_t ld, int64_t kv_len,
                         int64_t head_dim, void* out) {
    (precision == Precision::kInt8 ? PackValuesInt8Ref : PackValuesRef)(precision, value, ld,
                                                                        kv_len, head_dim, out);
  };
  table.attend_block = [](const PackedKeysValues& kv, const float* query, int64_t query_ld,
                          int64_t rows, const AttendOptions& options, float* out, int64_t out_ld,
                          void* scratch) {
    (kv.precision == Precision::kInt8 ? AttendBlockInt8Ref : AttendBlockRef)(
        kv, query, query_ld, rows, options, out, out_ld, scratch);
  };
  table.cached_attention = CachedAttentionRef;
}

}  // namespace tessera::kernels
