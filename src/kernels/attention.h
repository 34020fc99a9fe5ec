// softmax(scale * q k^T) v for one head, in blocks of keys with a running maximum; no [q_len,
// kv_len] matrix is ever stored.
//
// Two steps, so that heads and blocks of queries can run on different threads: pack the keys and
// values of a (batch, head) once, then AttendBlock for any rows of queries. f32 in, f32 out; the
// softmax is f32. A row of the result depends on its query and on the keys and values alone: not on
// the block it was computed in. Keys at or after kv_len are not looked at.
//   kF32   error against exact arithmetic: 2^-24 * ((head_dim + 4) * max_j scale * sum_i|q_i k_ji|
//   + kv_len + 16) * max|v|,
//          twice
//   kBf16  q, k, v and the probabilities are rounded to bf16 before their products
//   kInt8  integer products: keys less their mean (which no softmax sees) with a scale per key,
//   queries with a scale per row,
//          values less their mean with a scale per column, probabilities in 1/127 of the largest of
//          their 256 keys
#ifndef TESSERA_KERNELS_ATTENTION_H_
#define TESSERA_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "kernels/linear.h"

namespace tessera::kernels {

inline constexpr int64_t kMaxHeadDim = 256;

// Packed keys and values of one head, in panels of 64; attention_layout.h has the layouts. The two
// may lie anywhere.
struct PackedKeysValues {
  Precision precision = Precision::kF32;
  int64_t head_dim = 0;
  int64_t kv_len = 0;
  const void* keys = nullptr;
  const void* values = nullptr;
};

// Bytes of the buffers for kv_len keys; multiples of 64.
size_t PackedKeysBytes(Precision precision, int64_t head_dim, int64_t kv_len);
size_t PackedValuesBytes(Precision precision, int64_t head_dim, int64_t kv_len);
inline size_t PackedKeysValuesBytes(Precision precision, int64_t head_dim, int64_t kv_len) {
  return PackedKeysBytes(precision, head_dim, kv_len) +
         PackedValuesBytes(precision, head_dim, kv_len);
}

// key, value: [kv_len, head_dim] f32 with their own ld (column slices of a fused projection).
// head_dim: a multiple of 16 up to 256; kv_len >= 1. buffer: 64-byte aligned; every byte that
// AttendBlock reads is written.
void PackKeys(Precision precision, const float* key, int64_t ld, int64_t kv_len, int64_t head_dim,
              void* buffer);
void PackValues(Precision precision, const float* value, int64_t ld, int64_t kv_len,
                int64_t head_dim, void* buffer);
// Both into one buffer of PackedKeysValuesBytes, which must outlive the result.
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
