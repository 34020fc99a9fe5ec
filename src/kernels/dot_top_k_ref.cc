// The dot products of dot_top_k.h in plain C++.
#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

void DotRowsS8Ref(const int8_t* rows, int64_t num_rows, int64_t stride, const int16_t* queries,
                  int64_t num_queries, int32_t* dots, int64_t ld_dots) {
  for (int64_t q = 0; q < num_queries; ++q) {
    for (int64_t r = 0; r < num_rows; ++r) {
      int32_t sum = 0;
      for (int64_t i = 0; i < stride; ++i)
        sum += int32_t{queries[q * stride + i]} * rows[r * stride + i];
      dots[q * ld_dots + r] = sum;
    }
  }
}

}  // namespace

void FillDotTopKRef(KernelTable& table) { table.dot_rows_s8 = DotRowsS8Ref; }

}  // namespace tessera::kernels
