// The dot products of dot_top_k.h for every vector instruction set.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dot_top_k_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/dispatch.h"
#if TESSERA_SIMD_TARGET
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

using D16 = hn::ScalableTag<int16_t>;
using V16 = hn::Vec<D16>;

// kQueries questions times kRows rows: a row is widened once for all questions. The sums are
// integers, so it does not matter that the pairs of a widening multiplication are reordered.
template <int kQueries, int kRows>
HWY_INLINE void DotTile(const int8_t* HWY_RESTRICT rows, int64_t stride,
                        const int16_t* HWY_RESTRICT queries, int32_t* HWY_RESTRICT dots,
                        int64_t ld_dots) {
  const D16 d16;
  const DI di;
  const hn::Rebind<int8_t, D16> d8;
  constexpr int64_t kStep = static_cast<int64_t>(HWY_MAX_BYTES / 2);
  static_assert(kRowPadding % kStep == 0);
  VI sum[kQueries][kRows], more[kQueries][kRows];
  for (int q = 0; q < kQueries; ++q)
    for (int r = 0; r < kRows; ++r) sum[q][r] = more[q][r] = hn::Zero(di);
  for (int64_t i = 0; i < stride; i += kStep) {
    V16 row[kRows];
    for (int r = 0; r < kRows; ++r)
      row[r] = hn::PromoteTo(d16, hn::LoadU(d8, rows + r * stride + i));
    for (int q = 0; q < kQueries; ++q) {
      const V16 query = hn::LoadU(d16, queries + q * stride + i);
      for (int r = 0; r < kRows; ++r)
        sum[q][r] = hn::ReorderWidenMulAccumulate(di, row[r], query, sum[q][r], more[q][r]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int r = 0; r < kRows; ++r)
      dots[q * ld_dots + r] = hn::ReduceSum(di, hn::Add(sum[q][r], more[q][r]));
}

template <int kQueries, int kRows>
HWY_INLINE void DotBlock(const int8_t* rows, int64_t num_rows, int64_t stride,
                         const int16_t* queries, int32_t* dots, int64_t ld_dots) {
  int64_t r = 0;
  for (; r + kRows <= num_rows; r += kRows)
    DotTile<kQueries, kRows>(rows + r * stride, stride, queries, dots + r, ld_dots);
  for (; r < num_rows; ++r)
    DotTile<kQueries, 1>(rows + r * stride, stride, queries, dots + r, ld_dots);
}

void DotRowsS8T(const int8_t* rows, int64_t num_rows, int64_t stride, const int16_t* queries,
                int64_t num_queries, int32_t* dots, int64_t ld_dots) {
  int64_t q = 0;
  for (; q + 4 <= num_queries; q += 4)
    DotBlock<4, 2>(rows, num_rows, stride, queries + q * stride, dots + q * ld_dots, ld_dots);
  for (; q < num_queries; ++q)
    DotBlock<1, 4>(rows, num_rows, stride, queries + q * stride, dots + q * ld_dots, ld_dots);
}

void FillDotTopK(KernelTable& table) { table.dot_rows_s8 = DotRowsS8T; }

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {
bool FillDotTopKSimd(Isa isa, KernelTable& table) { TESSERA_FILL(isa, FillDotTopK, table); }
}  // namespace tessera::kernels
#endif  // HWY_ONCE
