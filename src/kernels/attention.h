// softmax(scale * q k^T) v for one head, in blocks of keys with a running maximum; no [q_len,
// kv_len] matrix is ever stored.
//
// Two steps, so that heads and blocks of queries can run on different threads: PackKeysValues once
// per (batch, head), then AttendBlock for any rows of queries. f32 in, f32 out; the softmax is f32.
// With kBf16 (and kInt8, which is the same here) q, k, v and the probabilities are rounded to bf16
// before their products. A row of the result depends on its query and on the keys and values alone:
// not on the block it was computed in. Keys at or after kv_len are not looked at. Error against
// exact arithmetic (f32): 2^-24 * ((head_dim + 4) * max_j scale * sum_i|q_i k_ji| + kv_len + 16) *
// max|v|, twice.
#ifndef TESSERA_KERNELS_ATTENTION_H_
#define TESSERA_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "kernels/linear.h"

namespace tessera::kernels {

inline constexpr int64_t kMaxHeadDim = 256;

// Keys and values of one head in panels of 64: keys [kv/64][head_dim][64], values
// [head_dim/64][kv][64] (pairs interleaved in bf16).
struct PackedKeysValues {
  Precision precision = Precision::kF32;
  int64_t head_dim = 0;
  int64_t kv_len = 0;
  const void* keys = nullptr;
  const void* values = nullptr;
};

// Bytes of the buffer for up to kv_len keys.
size_t PackedKeysValuesBytes(Precision precision, int64_t head_dim, int64_t kv_len);

// key, value: [kv_len, head_dim] f32 with their own ld (column slices of a fused projection).
// head_dim: a multiple of 16 up to 256; kv_len >= 1. buffer: 64-byte aligned, must outlive the
// result; every byte used is written.
PackedKeysValues PackKeysValues(Precision precision, const float* key, int64_t key_ld,
                                const float* value, int64_t value_ld, int64_t kv_len,
                                int64_t head_dim, void* buffer);

struct AttendOptions {
  float scale = 1.0f;
  bool causal =
      false;  // query row r (counted from first_position) sees keys 0 .. first_position + r
  int64_t first_position = 0;
};

// Bytes of 64-byte aligned scratch that one AttendBlock call of `rows` queries needs. Small: with
// rows <= 96 and head_dim 64 under 64 KB.
size_t AttendScratchBytes(int64_t rows, int64_t head_dim);

// query[rows, head_dim] f32 -> out[rows, head_dim] f32, each with its own ld. Best with 48 to 96
// rows a call (multiples of 6); 1 to 8 rows (decoder cross-attention) stream the keys and values
// once. out may be the query itself. With causal, at least one key must be visible to each row.
void AttendBlock(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                 const AttendOptions& options, float* out, int64_t out_ld, void* scratch);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_ATTENTION_H_
