// Integer attention in plain C++: the vector form's quantisation with sums in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

// Index of (row i of k, column) in panels of 64 columns with four values of k side by side.
int64_t QuadIndex(int64_t i, int64_t column, int64_t k_padded) {
  return (column / kPanelColumns * k_padded + i / 4 * 4) * kPanelColumns +
         column % kPanelColumns * 4 + i % 4;
}

int8_t RoundToInt8(float x) {
  return static_cast<int8_t>(std::clamp(std::nearbyint(x), -127.0f, 127.0f));
}

std::vector<float> ColumnMeans(const float* x, int64_t ld, int64_t rows, int64_t columns) {
  std::vector<float> mean(static_cast<size_t>(columns));
  for (int64_t i = 0; i < columns; ++i) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += x[r * ld + i];
    mean[i] = static_cast<float>(sum / static_cast<double>(rows));
  }
  return mean;
}

// 127 / max, or 0 for a range too small to divide by.
float InverseScale(float max) { return max > 0x1p-110f ? 127.0f / max : 0.0f; }

}  // namespace

void PackKeysInt8Ref(Precision, const float* key, int64_t ld, int64_t kv_len, int64_t head_dim,
                     void* out) {
  const Int8Keys packed = Int8Keys::Of(out, head_dim, kv_len);
  const std::vector<float> mean = ColumnMeans(key, ld, kv_len, head_dim);
  for (int64_t j = 0; j < RoundUp(kv_len, kPanelColumns); ++j) {
    float max = 0;
    for (int64_t i = 0; i < head_dim && j < kv_len; ++i)
      max = std::max(max, std::fabs(key[j * ld + i] - mean[i]));
    const float inverse = InverseScale(max);
    int32_t sum = 0;
    for (int64_t i = 0; i < head_dim; ++i) {
      const int8_t q = j < kv_len ? RoundToInt8((key[j * ld + i] - mean[i]) * inverse) : int8_t{0};
      packed.panels[QuadIndex(i, j, head_dim)] = q;
      sum += q;
    }
    packed.scale[j] = inverse > 0 ? max / 127.0f : 0.0f;
    packed.offset[j] = packed.scale[j] * static_cast<float>(128 * sum);
  }
}

void PackValuesInt8Ref(Precision, const float* value, int64_t ld, int64_t kv_len, int64_t head_dim,
                       void* out) {
  const Int8Values packed = Int8Values::Of(out, head_dim, kv_len);
  const std::vector<float> mean = ColumnMeans(value, ld, kv_len, head_dim);
  const int64_t keys = RoundUp(kv_len, kPanelColumns);
  for (int64_t i = 0; i < RoundUp(head_dim, kPanelColumns); ++i) {
    const bool inside = i < head_dim;
    float max = 0;
    for (int64_t j = 0; j < kv_len && inside; ++j)
      max = std::max(max, std::fabs(value[j * ld + i] - mean[i]));
    const float inverse = InverseScale(max);
    for (int64_t j = 0; j < keys; ++j)
      packed.panels[QuadIndex(j, i, keys)] =
          inside && j < kv_len ? RoundToInt8((value[j * ld + i] - mean[i]) * inverse) : int8_t{0};
    packed.scale[i] = inverse > 0 ? max / 127.0f : 0.0f;
    packed.mean[i] = inside ? mean[i] : 0.0f;
  }
}

void AttendBlockInt8Ref(const PackedKeysValues& kv, const float* query, int64_t query_ld,
                        int64_t rows, const AttendOptions& options, float* out, int64_t out_ld,
                        void*) {
  const Int8Keys keys = Int8Keys::Of(kv.keys, kv.head_dim, kv.kv_len);
  const Int8Values values = Int8Values::Of(kv.values, kv.head_dim, kv.kv_len);
  const int64_t value_rows = RoundUp(kv.kv_len, kPanelColumns);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t visible =
        options.causal ? std::min(kv.kv_len, options.first_position + r + 1) : kv.kv_len;
    uint8_t q[kMaxHeadDim];
    float query_scale;
    Kernels().quantize_rows_u8(query + r * query_ld, query_ld, 1, kv.head_dim, q, kMaxHeadDim,
                               &query_scale);
    double sums[kMaxHeadDim] = {};
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t block = 0; block < visible; block += kKeyBlock) {
      const int64_t count = std::min(kKeyBlock, visible - block);
      double score[kKeyBlock], block_max = -std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < count; ++j) {
        int32_t dot = 0;
        for (int64_t i = 0; i < kv.head_dim; ++i)
          dot += (q[i] - 128) * keys.panels[QuadIndex(i, block + j, kv.head_dim)];
        score[j] = static_cast<double>(dot) * keys.scale[block + j] * query_scale * options.scale;
        block_max = std::max(block_max, score[j]);
      }
      const double new_max = std::max(max, block_max);
      const double old_factor = std::exp(max - new_max), factor = std::exp(block_max - new_max);
      sum *= old_factor;
      for (int64_t i = 0; i < kv.head_dim; ++i) sums[i] *= old_factor;
      for (int64_t j = 0; j < count; ++j) {
        const double p = std::nearbyint(kProbabilityLevels * std::exp(score[j] - block_max));
        sum += p * factor;
        for (int64_t i = 0; i < kv.head_dim; ++i)
          sums[i] += p * factor * values.panels[QuadIndex(block + j, i, value_rows)];
      }
      max = new_max;
    }
    for (int64_t i = 0; i < kv.head_dim; ++i)
      out[r * out_ld + i] = static_cast<float>(sums[i] / sum * values.scale[i] + values.mean[i]);
  }
}

}  // namespace tessera::kernels
