// Sizes and scratch layout shared by the forms of the attention kernels; internal to this folder.
#ifndef TESSERA_KERNELS_ATTENTION_LAYOUT_H_
#define TESSERA_KERNELS_ATTENTION_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "kernels/attention.h"

namespace tessera::kernels {

// Keys between two updates of the running maximum: a row's blocks begin at the same keys whatever
// the call, so its bits do too.
inline constexpr int64_t kKeyBlock = 256;
inline constexpr int64_t kMaxTileRows = 6;
// Cached attention: queries that share one pass over the cache, and positions whose values stay in
// the L1 cache meanwhile.
inline constexpr int64_t kMaxSharedQueries = 8;
inline constexpr int64_t kValueBlock = 32;

constexpr int64_t RoundUp(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }

// Keys in a value panel: two share a word in bf16.
constexpr int64_t PaddedKeys(Precision precision, int64_t kv_len) {
  return precision == Precision::kF32 ? kv_len : RoundUp(kv_len, 2);
}
// int8 keys of one head: panels [kv/64][head_dim/4][64][4], then scale[kv_padded] and
// offset[kv_padded], the share of a query's zero point in a score: 128 * scale * sum of the key.
struct Int8Keys {
  int8_t* panels;
  float* scale;
  float* offset;
  static size_t Bytes(int64_t head_dim, int64_t kv_len) {
    return static_cast<size_t>(RoundUp(kv_len, kPanelColumns) * (head_dim + 8));
  }
  static Int8Keys Of(const void* buffer, int64_t head_dim, int64_t kv_len) {
    const int64_t keys = RoundUp(kv_len, kPanelColumns);
    auto* panels = static_cast<int8_t*>(const_cast<void*>(buffer));
    auto* scale = reinterpret_cast<float*>(panels + keys * head_dim);
    return {panels, scale, scale + keys};
  }
};
// int8 values of one head: panels [head_dim/64][kv_padded/4][64][4], quads of keys in the order of
// the vector form that packed them, then scale and mean of each column.
struct Int8Values {
  int8_t* panels;
  float* scale;
  float* mean;
  static size_t Bytes(int64_t head_dim, int64_t kv_len) {
    return static_cast<size_t>(RoundUp(head_dim, kPanelColumns) *
                               (RoundUp(kv_len, kPanelColumns) + 8));
  }
  static Int8Values Of(const void* buffer, int64_t head_dim, int64_t kv_len) {
    const int64_t columns = RoundUp(head_dim, kPanelColumns);
    auto* panels = static_cast<int8_t*>(const_cast<void*>(buffer));
    auto* scale = reinterpret_cast<float*>(panels + columns * RoundUp(kv_len, kPanelColumns));
    return {panels, scale, scale + columns};
  }
};
// Levels of an int8 probability: seven bits, so that maddubs of AVX2 cannot saturate.
inline constexpr float kProbabilityLevels = 127.0f;

// Row length of the scores of cached attention.
constexpr int64_t CachedScoresLd(int64_t length) { return RoundUp(length, 32); }

struct AttendScratch {
  float* sums;             // [rows][sums_ld], the values' weighted sums
  int64_t sums_ld;         // head_dim rounded up to a panel
  float* max;              // [rows]
  float* sum;              // [rows]
  float* scores;           // [kMaxTileRows][kKeyBlock]
  uint8_t* queries;        // [rows] rows of head_dim * 4 bytes, scaled, f32 or bf16
  uint8_t* probabilities;  // [kMaxTileRows] rows of kKeyBlock * 4 bytes, f32 or bf16

  static size_t Bytes(int64_t rows, int64_t head_dim) {
    const int64_t floats = rows * RoundUp(head_dim, kPanelColumns) + 2 * RoundUp(rows, 16) +
                           2 * kMaxTileRows * kKeyBlock + rows * head_dim;
    return static_cast<size_t>(floats) * sizeof(float);
  }
  static AttendScratch Of(void* scratch, int64_t rows, int64_t head_dim) {
    AttendScratch s;
    s.sums_ld = RoundUp(head_dim, kPanelColumns);
    s.sums = static_cast<float*>(scratch);
    s.max = s.sums + rows * s.sums_ld;
    s.sum = s.max + RoundUp(rows, 16);
    s.scores = s.sum + RoundUp(rows, 16);
    float* probabilities = s.scores + kMaxTileRows * kKeyBlock;
    s.probabilities = reinterpret_cast<uint8_t*>(probabilities);
    s.queries = reinterpret_cast<uint8_t*>(probabilities + kMaxTileRows * kKeyBlock);
    return s;
  }
};

// The int8 forms in plain C++ (attention_int8_ref.cc), for the scalar table.
void PackKeysInt8Ref(Precision precision, const float* key, int64_t ld, int64_t kv_len,
                     int64_t head_dim, void* out);
void PackValuesInt8Ref(Precision precision, const float* value, int64_t ld, int64_t kv_len,
                       int64_t head_dim, void* out);
void AttendBlockInt8Ref(const PackedKeysValues& kv, const float* query, int64_t query_ld,
                        int64_t rows, const AttendOptions& options, float* out, int64_t out_ld,
                        void* scratch);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_ATTENTION_LAYOUT_H_
