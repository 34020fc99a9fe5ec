// Cosine search against its definition: exact integer sums, the error bound of int8 rows, the order
// of equal scores, the same bits on every instruction set and thread count.
#include "kernels/dot_top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

class DotTopKTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(DotTopKTest);

struct Rows {
  Rows(const std::vector<float>& x, int64_t d)
      : count(static_cast<int64_t>(x.size()) / d),
        levels(static_cast<size_t>(count * RowStride(d))),
        inverse(static_cast<size_t>(count)) {
    QuantizeRowsS8(x.data(), d, count, d, levels.data(), inverse.data());
    view = {levels.data(), inverse.data(), count, d};
  }
  int64_t count;
  std::vector<int8_t> levels;
  std::vector<float> inverse;
  RowsS8 view;
};

TEST_P(DotTopKTest, SumsAreExactEvenWhereTheyAreLargest) {
  for (const int64_t d : {int64_t{1}, int64_t{64}, int64_t{100}, int64_t{384}, kMaxRowDimensions}) {
    const int64_t stride = RowStride(d), num_rows = 7, num_queries = 6;
    std::mt19937 random(static_cast<uint32_t>(d));
    std::vector<int8_t> rows(static_cast<size_t>(num_rows * stride));
    std::vector<int16_t> queries(static_cast<size_t>(num_queries * stride));
    for (int8_t& v : rows) v = static_cast<int8_t>(random());
    const int limit = QueryLimit(d);
    for (int64_t q = 0; q < num_queries; ++q) {
      for (int64_t i = 0; i < d; ++i)
        queries[q * stride + i] = static_cast<int16_t>(
            q == 0 ? -limit : static_cast<int>(random() % (2 * limit + 1)) - limit);
    }
    std::fill_n(rows.begin(), stride, int8_t{-128});  // a file may hold this; 128 * limit * d fits
    std::vector<int32_t> dots(static_cast<size_t>(num_queries * 9), 77);
    DotRowsS8(rows.data(), num_rows, stride, queries.data(), num_queries, dots.data(), 9);
    for (int64_t q = 0; q < num_queries; ++q) {
      for (int64_t r = 0; r < num_rows; ++r) {
        int64_t sum = 0;
        for (int64_t i = 0; i < stride; ++i)
          sum += int64_t{queries[q * stride + i]} * rows[r * stride + i];
        ASSERT_EQ(dots[q * 9 + r], sum) << d << " " << q << " " << r;
      }
      ASSERT_EQ(dots[q * 9 + 7], 77);
    }
  }
}

TEST_P(DotTopKTest, CosinesStayWithinTheBound) {
  for (const int64_t d : {int64_t{3}, int64_t{64}, int64_t{384}, int64_t{1000}}) {
    const std::vector<float> x = RandomFloats(200 * d, 1), y = RandomFloats(3 * d, 2);
    const Rows rows(x, d);
    ThreadPool pool(1);
    const auto found = TopKRows(pool, rows.view, y.data(), 3, 200);
    double worst = 0;
    for (int64_t q = 0; q < 3; ++q) {
      ASSERT_EQ(found[q].size(), 200u);
      for (const ScoredRow& hit : found[q]) {
        double xy = 0, xx = 0, yy = 0, max_x = 0, max_y = 0;
        for (int64_t i = 0; i < d; ++i) {
          const double a = x[hit.row * d + i], b = y[q * d + i];
          xy += a * b, xx += a * a, yy += b * b;
          max_x = std::max(max_x, std::fabs(a)), max_y = std::max(max_y, std::fabs(b));
        }
        const double bound = std::sqrt(d) / 2 * max_x / std::sqrt(xx) / 127 +
                             std::sqrt(d) / 2 * max_y / std::sqrt(yy) / QueryLimit(d) + 0x1p-22;
        const double error = std::fabs(hit.cosine - xy / std::sqrt(xx * yy));
        ASSERT_LE(error, bound);
        worst = std::max(worst, error / bound);
      }
    }
    EXPECT_GT(worst, 0.005) << "a bound that says nothing";
  }
}

TEST_P(DotTopKTest, SameHitsOnEveryThreadCountAndForSeveralQuestions) {
  const int64_t d = 96, count = 1500;
  std::vector<float> x = RandomFloats(count * d, 3);
  const std::vector<float> y = RandomFloats(9 * d, 4);
  // Copies of one row, far apart: the lower one first.
  for (const int64_t copy : {1499, 3, 700}) std::copy_n(y.begin(), d, x.begin() + copy * d);
  const Rows rows(x, d);
  ThreadPool one(1);
  const auto expected = TopKRows(one, rows.view, y.data(), 9, 20);
  EXPECT_EQ(expected[0][0].row, 3);
  EXPECT_EQ(expected[0][1].row, 700);
  EXPECT_EQ(expected[0][2].row, 1499);
  for (const int threads : {2, 3, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(TopKRows(pool, rows.view, y.data(), 9, 20), expected) << threads;
    for (int64_t q = 0; q < 9; ++q)
      EXPECT_EQ(TopKRows(pool, rows.view, y.data() + q * d, 1, 20)[0], expected[q]);
  }
  for (const std::vector<ScoredRow>& hits : expected) {
    for (size_t i = 1; i < hits.size(); ++i) {
      EXPECT_TRUE(hits[i - 1].cosine > hits[i].cosine ||
                  (hits[i - 1].cosine == hits[i].cosine && hits[i - 1].row < hits[i].row));
    }
  }
  const Isa here = CurrentIsa();
  ASSERT_TRUE(SetIsa(Isa::kScalar).ok());
  EXPECT_EQ(TopKRows(one, rows.view, y.data(), 9, 20), expected);
  ASSERT_TRUE(SetIsa(here).ok());
}

TEST_P(DotTopKTest, EdgesOfCountsAndValues) {
  ThreadPool pool(3);
  const int64_t d = 5;
  const std::vector<float> x = {0, 0, 0, 0, 0, 1e-30f, 0, 0, 0, 0, 0, 0, 3e38f, 0, 0};
  const Rows rows(x, d);
  EXPECT_EQ(rows.inverse[0], 0.0f);
  const std::vector<float> y = {1, 0, 1, 0, 0};
  const auto hits = TopKRows(pool, rows.view, y.data(), 1, 10);
  ASSERT_EQ(hits[0].size(), 3u) << "k is cut to the number of rows";
  EXPECT_NEAR(hits[0][0].cosine, std::sqrt(0.5), 1e-6);
  EXPECT_EQ(hits[0][0].row, 1);
  EXPECT_EQ(hits[0][1].row, 2);
  EXPECT_EQ(hits[0][2], (ScoredRow{0.0f, 0}));
  EXPECT_TRUE(TopKRows(pool, rows.view, y.data(), 1, 0)[0].empty());
  EXPECT_TRUE(TopKRows(pool, RowsS8{nullptr, nullptr, 0, d}, y.data(), 1, 5)[0].empty());
  EXPECT_TRUE(TopKRows(pool, rows.view, y.data(), 0, 5).empty());
  const std::vector<float> zero(d, 0.0f);
  EXPECT_EQ(TopKRows(pool, rows.view, zero.data(), 1, 1)[0][0], (ScoredRow{0.0f, 0}));
}

}  // namespace
}  // namespace tessera::kernels
