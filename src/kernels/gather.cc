#include "kernels/gather.h"

#include <cstring>

#include "base/check.h"

namespace tessera::kernels {

void GatherRows(const void* table, DType dtype, int64_t table_rows, int64_t table_ld, int64_t d,
                const int32_t* ids, int64_t count, float* out, int64_t out_ld) {
  for (int64_t r = 0; r < count; ++r, out += out_ld) {
    TESSERA_CHECK(ids[r] >= 0 && ids[r] < table_rows);
    const int64_t first = ids[r] * table_ld;
    switch (dtype) {
      case DType::kF32:
        std::memcpy(out, static_cast<const char*>(table) + first * 4, static_cast<size_t>(d) * 4);
        break;
      case DType::kF16:
        for (int64_t i = 0; i < d; ++i) out[i] = LoadFloat(table, DType::kF16, first + i);
        break;
      case DType::kBF16:
        for (int64_t i = 0; i < d; ++i) out[i] = LoadFloat(table, DType::kBF16, first + i);
        break;
      default:
        TESSERA_CHECK(dtype == DType::kF32);
    }
  }
}

}  // namespace tessera::kernels
