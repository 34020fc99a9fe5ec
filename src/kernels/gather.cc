#include "kernels/gather.h"

#include <cstring>

#include "base/check.h"
#include "kernels/widen.h"

namespace tessera::kernels {

void GatherRows(const void* table, DType dtype, int64_t table_rows, int64_t table_ld, int64_t d,
                const int32_t* ids, int64_t count, float* out, int64_t out_ld) {
  for (int64_t r = 0; r < count; ++r, out += out_ld) {
    TESSERA_CHECK(ids[r] >= 0 && ids[r] < table_rows);
    WidenFloats(table, dtype, ids[r] * table_ld, d, out);
  }
}

}  // namespace tessera::kernels
