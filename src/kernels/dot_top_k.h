// Cosine search: questions against many stored vectors, and the k best of them.
//
// A stored row is int8: levels = round(127 * x / max|x|), padded with zeros to RowStride(d) bytes,
// and the inverse of the levels' own length, so that its cosine with anything needs no other scale.
// A question keeps up to 16 bits of each component. All products and sums are integers that cannot
// overflow: every instruction set, thread count and order gives the same bits.
//
// Error of a cosine against the f32 vectors x and y of dimension d, both finite and not zero:
//   |error| <= r / 127 + r_y / limit + 2^-22   with r = sqrt(d) / 2 * max|x| / |x|,  r_y of y
// and limit = QueryLimit(d), the levels of a question; r is about 2 for embeddings of a few hundred
// dimensions, and what is seen is some thirty times below the bound (docs/search.md). A row of
// zeros has the cosine 0 with everything.
#ifndef TESSERA_KERNELS_DOT_TOP_K_H_
#define TESSERA_KERNELS_DOT_TOP_K_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace tessera::kernels {

inline constexpr int64_t kMaxRowDimensions = 16384;
inline constexpr int64_t kRowPadding = 64;

// Bytes of a row of d levels, elements of a question.
constexpr int64_t RowStride(int64_t d) { return (d + kRowPadding - 1) / kRowPadding * kRowPadding; }

// The largest level of a question: no sum of d products with an int8 leaves 32 bits.
constexpr int32_t QueryLimit(int64_t d) {
  return static_cast<int32_t>(std::min<int64_t>(32767, INT32_MAX / (128 * d)));
}

// x[rows, d] f32 (finite) -> levels[rows, RowStride(d)] and inverse_length[rows]; both 0 for a row
// of zeros. 1 <= d <= kMaxRowDimensions. Rounds to nearest, ties to even. No overlap.
void QuantizeRowsS8(const float* x, int64_t ldx, int64_t rows, int64_t d, int8_t* levels,
                    float* inverse_length);
// The same for questions: x[rows, d] -> levels[rows, RowStride(d)] s16.
void QuantizeQueriesS16(const float* x, int64_t ldx, int64_t rows, int64_t d, int16_t* levels,
                        float* inverse_length);

// dots[q, r] = sum over i < stride of queries[q, i] * rows[r, i], for queries[num_queries, stride]
// and rows[num_rows, stride]; ld_dots >= num_rows. stride is a multiple of kRowPadding. Exact for
// what the functions above made, and for any int8 bytes in `rows`.
void DotRowsS8(const int8_t* rows, int64_t num_rows, int64_t stride, const int16_t* queries,
               int64_t num_queries, int32_t* dots, int64_t ld_dots);

// Vectors as they lie in an index.
struct RowsS8 {
  const int8_t* levels = nullptr;         // [num_rows, RowStride(d)]
  const float* inverse_length = nullptr;  // [num_rows], finite
  int64_t num_rows = 0;
  int64_t d = 0;
};

struct ScoredRow {
  float cosine = 0;
  int64_t row = 0;
  bool operator==(const ScoredRow&) const = default;
};

// For each question x[num_queries, d] (f32, finite) the min(k, num_rows) rows of the highest
// cosine, descending; of equal ones the lower row comes first. Uses all threads of the pool, which
// must not be in a region; takes num_queries * (k + 256) * 16 bytes a thread.
std::vector<std::vector<ScoredRow>> TopKRows(ThreadPool& pool, const RowsS8& rows, const float* x,
                                             int64_t num_queries, int64_t k);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_DOT_TOP_K_H_
