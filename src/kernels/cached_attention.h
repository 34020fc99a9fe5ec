// Attention of a few new tokens against rows of a KV cache, one head at a time: out = softmax(scale
// * q k^T) v.
//
// The cache is memory [slot][position][...] with free strides; a table may name the slot of each
// position, so that beams share history without copying it. Queries of one call share slots and
// length (cross-attention of beams, or one token), and the keys and values are read once for up to
// 8 of them. Softmax, query and output are f32. The result of a query does not depend on the others
// in the call. For keys that stay fixed over many tokens, attention.h's packed form is faster.
#ifndef TESSERA_KERNELS_CACHED_ATTENTION_H_
#define TESSERA_KERNELS_CACHED_ATTENTION_H_

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::kernels {

// Strides in elements. Element i of position p in slot s: data[s * slot_stride + p *
// position_stride + i].
struct CacheView {
  const void* data = nullptr;  // slot 0, position 0, first column of the head
  DType dtype = DType::kF32;   // kF32, kBF16 or kI8
  int64_t slot_stride = 0;
  int64_t position_stride = 0;
  // kI8 only: value = int8 * scales[s * scale_slot_stride + p * scale_position_stride] (pointer
  // offset to the head).
  const float* scales = nullptr;
  int64_t scale_slot_stride = 0;
  int64_t scale_position_stride = 0;
};

struct CachedAttentionArgs {
  const float* query = nullptr;  // [num_queries, head_dim]
  int64_t query_ld = 0;
  int64_t num_queries = 1;  // >= 1
  int64_t head_dim = 0;     // a multiple of 16 up to 256
  float scale = 1.0f;
  CacheView key;
  CacheView value;
  int64_t length = 0;              // positions [0, length) are seen; >= 1
  int32_t slot = 0;                // of every position, when slots is null
  const int32_t* slots = nullptr;  // [length]: the slot of each position
  float* out = nullptr;            // [num_queries, head_dim]; may be the query
  int64_t out_ld = 0;
  float* scratch = nullptr;  // CachedAttentionScratchFloats(length) floats
};

size_t CachedAttentionScratchFloats(int64_t length);
void CachedAttention(const CachedAttentionArgs& args);

// Writes one token's row [num_heads * head_dim] f32 to a cache row of the same width and of type
// dtype (kF32, kBF16, kI8). For kI8, scales[num_heads] receives max|x| / 127 of each head (0 for a
// head of zeros) and values are rounded to nearest even.
void StoreCacheRow(const float* row, int64_t num_heads, int64_t head_dim, DType dtype,
                   void* cache_row, float* scales);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_CACHED_ATTENTION_H_
