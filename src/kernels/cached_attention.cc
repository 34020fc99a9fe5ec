#include "kernels/cached_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"

namespace tessera::kernels {

size_t CachedAttentionScratchFloats(int64_t length) {
  return static_cast<size_t>(kMaxSharedQueries * CachedScoresLd(length));
}

void CachedAttention(const CachedAttentionArgs& args) {
  TESSERA_DCHECK(args.length >= 1 && args.num_queries >= 1);
  TESSERA_DCHECK(args.head_dim >= 16 && args.head_dim % 16 == 0 && args.head_dim <= kMaxHeadDim);
  Kernels().cached_attention(args);
}

void StoreCacheRow(const float* row, int64_t num_heads, int64_t head_dim, DType dtype,
                   void* cache_row, float* scales) {
  const int64_t width = num_heads * head_dim;
  if (dtype == DType::kF32) {
    std::memcpy(cache_row, row, static_cast<size_t>(width) * sizeof(float));
    return;
  }
  if (dtype == DType::kBF16) {
    auto* out = static_cast<BF16*>(cache_row);
    for (int64_t i = 0; i < width; ++i) out[i] = ToBF16(row[i]);
    return;
  }
  TESSERA_DCHECK(dtype == DType::kI8);
  auto* out = static_cast<int8_t*>(cache_row);
  for (int64_t h = 0; h < num_heads; ++h, row += head_dim, out += head_dim) {
    float max = 0.0f;
    for (int64_t i = 0; i < head_dim; ++i) max = std::max(max, std::fabs(row[i]));
    const bool tiny = !(max >= 0x1p-110f);
    scales[h] = tiny ? 0.0f : max / 127.0f;
    const float inverse = tiny ? 0.0f : 127.0f / max;
    for (int64_t i = 0; i < head_dim; ++i) {
      out[i] = static_cast<int8_t>(std::clamp(std::nearbyint(row[i] * inverse), -127.0f, 127.0f));
    }
  }
}

}  // namespace tessera::kernels
