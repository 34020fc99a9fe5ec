#include "kernels/dot_top_k.h"

#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

// Rows of one call of the kernel: their dot products stay in the first-level cache.
constexpr int64_t kBlockRows = 256;

template <typename Level>
void QuantizeRows(const float* x, int64_t ldx, int64_t rows, int64_t d, int32_t limit,
                  Level* levels, float* inverse_length) {
  TESSERA_CHECK(d >= 1 && d <= kMaxRowDimensions);
  const int64_t stride = RowStride(d);
  for (int64_t r = 0; r < rows; ++r) {
    const float* in = x + r * ldx;
    Level* out = levels + r * stride;
    std::memset(out, 0, static_cast<size_t>(stride) * sizeof(Level));
    double max = 0;
    for (int64_t i = 0; i < d; ++i) max = std::max(max, std::fabs(static_cast<double>(in[i])));
    double squares = 0;
    for (int64_t i = 0; i < d && max > 0; ++i) {
      const double level = std::nearbyint(in[i] * (limit / max));
      squares += level * level;  // exact: integers below 2^44
      out[i] = static_cast<Level>(level);
    }
    inverse_length[r] = squares > 0 ? static_cast<float>(1.0 / std::sqrt(squares)) : 0.0f;
  }
}

bool Better(const ScoredRow& a, const ScoredRow& b) {
  return a.cosine > b.cosine || (a.cosine == b.cosine && a.row < b.row);
}

// The k best of what it was given, in any order.
class Best {
 public:
  explicit Best(size_t k) : k_(k) { heap_.reserve(k); }

  void Offer(float cosine, int64_t row) {
    const ScoredRow candidate{cosine, row};
    if (heap_.size() < k_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end(), Better);
    } else if (Better(candidate, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.back() = candidate;
      std::push_heap(heap_.begin(), heap_.end(), Better);
    }
  }
  const std::vector<ScoredRow>& rows() const { return heap_; }

 private:
  size_t k_;
  std::vector<ScoredRow> heap_;  // the worst in front
};

}  // namespace

void QuantizeRowsS8(const float* x, int64_t ldx, int64_t rows, int64_t d, int8_t* levels,
                    float* inverse_length) {
  QuantizeRows(x, ldx, rows, d, 127, levels, inverse_length);
}

void QuantizeQueriesS16(const float* x, int64_t ldx, int64_t rows, int64_t d, int16_t* levels,
                        float* inverse_length) {
  QuantizeRows(x, ldx, rows, d, QueryLimit(d), levels, inverse_length);
}

void DotRowsS8(const int8_t* rows, int64_t num_rows, int64_t stride, const int16_t* queries,
               int64_t num_queries, int32_t* dots, int64_t ld_dots) {
  TESSERA_CHECK(stride % kRowPadding == 0);
  Kernels().dot_rows_s8(rows, num_rows, stride, queries, num_queries, dots, ld_dots);
}

std::vector<std::vector<ScoredRow>> TopKRows(ThreadPool& pool, const RowsS8& rows, const float* x,
                                             int64_t num_queries, int64_t k) {
  const int64_t stride = RowStride(rows.d);
  std::vector<int16_t> levels(static_cast<size_t>(num_queries * stride));
  std::vector<float> inverse_length(static_cast<size_t>(num_queries));
  QuantizeQueriesS16(x, rows.d, num_queries, rows.d, levels.data(), inverse_length.data());

  const size_t keep = static_cast<size_t>(std::clamp<int64_t>(k, 0, rows.num_rows));
  std::vector<std::vector<Best>> best(
      static_cast<size_t>(pool.num_threads()),
      std::vector<Best>(static_cast<size_t>(num_queries), Best(keep)));
  if (keep > 0) {
    pool.Run([&](int worker) {
      const Range share = ShareOf(rows.num_rows, worker, pool.num_threads());
      std::vector<int32_t> dots(static_cast<size_t>(num_queries * kBlockRows));
      for (int64_t first = share.begin; first < share.end; first += kBlockRows) {
        const int64_t count = std::min(kBlockRows, share.end - first);
        DotRowsS8(rows.levels + first * stride, count, stride, levels.data(), num_queries,
                  dots.data(), kBlockRows);
        for (int64_t q = 0; q < num_queries; ++q) {
          Best& mine = best[static_cast<size_t>(worker)][static_cast<size_t>(q)];
          const int32_t* of_query = dots.data() + q * kBlockRows;
          const float inverse = inverse_length[static_cast<size_t>(q)];
          for (int64_t r = 0; r < count; ++r) {
            // Both factors first: a product of the sum with one of them alone means nothing.
            const float scale = inverse * rows.inverse_length[first + r];
            mine.Offer(static_cast<float>(of_query[r]) * scale, first + r);
          }
        }
      }
    });
  }

  std::vector<std::vector<ScoredRow>> result(static_cast<size_t>(num_queries));
  for (size_t q = 0; q < result.size(); ++q) {
    for (const auto& of_worker : best) {
      const std::vector<ScoredRow>& part = of_worker[q].rows();
      result[q].insert(result[q].end(), part.begin(), part.end());
    }
    std::sort(result[q].begin(), result[q].end(), Better);
    result[q].resize(keep);
  }
  return result;
}

}  // namespace tessera::kernels
