#include <cstring>

#include "graph/reference/ops.h"

namespace tessera::reference {

void Gather(const void* table, size_t row_bytes, const int32_t* ids, int64_t n, void* out) {
  if (row_bytes == 0) return;
  for (int64_t i = 0; i < n; ++i) {
    std::memcpy(static_cast<char*>(out) + static_cast<size_t>(i) * row_bytes,
                static_cast<const char*>(table) + static_cast<size_t>(ids[i]) * row_bytes,
                row_bytes);
  }
}

void CacheWrite(const void* cache, int64_t slots, int64_t capacity, size_t row_bytes,
                const void* rows, const int32_t* slot, const int32_t* position, int64_t tokens,
                void* out) {
  const size_t bytes = static_cast<size_t>(slots * capacity) * row_bytes;
  if (bytes == 0) return;
  if (out != cache) std::memcpy(out, cache, bytes);
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t place = int64_t{slot[t]} * capacity + position[t];
    std::memcpy(static_cast<char*>(out) + static_cast<size_t>(place) * row_bytes,
                static_cast<const char*>(rows) + static_cast<size_t>(t) * row_bytes, row_bytes);
  }
}

}  // namespace tessera::reference
