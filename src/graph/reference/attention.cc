#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/reference/ops.h"

namespace tessera::reference {
namespace {

// One query against `keys` rows, found by key_row(p) and value_row(p): y = sum_p softmax(scale * q
// k_p) v_p.
template <typename KeyRow, typename ValueRow>
void AttendHead(const float* query, int64_t keys, int64_t head_dim, float scale,
                const KeyRow& key_row, const ValueRow& value_row, std::vector<double>& scores,
                float* y) {
  if (keys == 0) {
    std::fill_n(y, head_dim, 0.0f);
    return;
  }
  scores.resize(static_cast<size_t>(keys));
  double highest = -INFINITY;
  for (int64_t p = 0; p < keys; ++p) {
    const float* key = key_row(p);
    double dot = 0;
    for (int64_t i = 0; i < head_dim; ++i) dot += double{query[i]} * double{key[i]};
    scores[p] = dot * double{scale};
    highest = std::max(highest, scores[p]);
  }
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - highest);
  std::vector<double> sums(static_cast<size_t>(head_dim), 0.0);
  for (int64_t p = 0; p < keys; ++p) {
    const float* value = value_row(p);
    for (int64_t i = 0; i < head_dim; ++i) sums[i] += scores[p] * double{value[i]};
  }
  for (int64_t i = 0; i < head_dim; ++i) y[i] = static_cast<float>(sums[i] / total);
}

}  // namespace

void Attention(const float* query, const float* key, const float* value, const int32_t* lengths,
               const AttentionSizes& sizes, float scale, bool causal, float* y) {
  const auto& [batch, q_len, kv_len, num_heads, head_dim] = sizes;
  const int64_t width = num_heads * head_dim;
  std::vector<double> scores;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t valid = lengths ? lengths[b] : kv_len;
    for (int64_t t = 0; t < q_len; ++t) {
      const int64_t keys = causal ? std::min(valid, t + 1) : valid;
      for (int64_t h = 0; h < num_heads; ++h) {
        const int64_t at = (b * q_len + t) * width + h * head_dim;
        const auto row_of = [&](const float* rows) {
          return [=, base = rows + b * kv_len * width + h * head_dim](int64_t p) {
            return base + p * width;
          };
        };
        AttendHead(query + at, keys, head_dim, scale, row_of(key), row_of(value), scores, y + at);
      }
    }
  }
}

void CachedAttention(const float* query, const float* key_cache, const float* value_cache,
                     const int32_t* index, const int32_t* length, const CachedAttentionSizes& sizes,
                     float scale, float* y) {
  const auto& [tokens, capacity, num_heads, head_dim, index_positions] = sizes;
  const int64_t width = num_heads * head_dim;
  std::vector<double> scores;
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t h = 0; h < num_heads; ++h) {
      const int64_t at = t * width + h * head_dim;
      const auto row_of = [&, t, h](const float* cache) {
        return [&, t, h, cache](int64_t p) {
          const int64_t slot = index_positions == 0 ? index[t] : index[t * index_positions + p];
          return cache + (slot * capacity + p) * width + h * head_dim;
        };
      };
      AttendHead(query + at, length[t], head_dim, scale, row_of(key_cache), row_of(value_cache),
                 scores, y + at);
    }
  }
}

void RaggedAttention(const float* query, const float* key, const float* value,
                     const int32_t* offsets, int64_t sequences, int64_t tokens, int64_t num_heads,
                     int64_t head_dim, float scale, float* y) {
  const int64_t width = num_heads * head_dim;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t begin = offsets[s], length = offsets[s + 1] - begin;
    Attention(query + begin * width, key + begin * width, value + begin * width, nullptr,
              {1, length, length, num_heads, head_dim}, scale, false, y + begin * width);
  }
  std::fill(y + offsets[sequences] * width, y + tokens * width, 0.0f);
}

}  // namespace tessera::reference
