// The rotation against its definition as matrices.
#include "kernels/rotation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/linear.h"
#include "kernels/quantize.h"
#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

class RotationTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(RotationTest);

// Every block size with one, three and five blocks.
constexpr int64_t kSizes[] = {16,  48,  80,  32,   96,   64,   192,  128,  384, 640,
                              256, 768, 512, 1536, 1024, 3072, 2048, 4096, 8192};

// Entry [row, column] of R.
double Entry(int64_t k, int64_t row, int64_t column) {
  const Rotation r = RotationOf(k);
  const int64_t i = row % r.block, j = column % r.block;
  double value = std::popcount(static_cast<uint64_t>(i & j)) % 2 == 0 ? 1 : -1;
  value *= RotationSigns()[column];
  const bool same = row / r.block == column / r.block;
  if (!r.mixes_three) return same ? value : 0;
  return value * ((same ? 1.0 : 0.0) - 2.0 / 3.0);
}

TEST_P(RotationTest, IsItsMatrix) {
  for (const int64_t k : kSizes) {
    const std::vector<float> x = RandomFloats(k, 3);
    std::vector<float> y(k, 7.0f), in_place = x;
    RotateRow(x.data(), nullptr, k, y.data());
    RotateRow(in_place.data(), nullptr, k, in_place.data());
    EXPECT_TRUE(SameBits(y, in_place)) << k;
    double magnitude = 0;
    for (const float v : x) magnitude += std::fabs(v);
    const double bound =
        (std::log2(static_cast<double>(RotationOf(k).block)) + 4) * kEps * magnitude;
    for (int64_t row = 0; row < k; row += k > 512 ? 97 : 1) {
      double want = 0;
      for (int64_t column = 0; column < k; ++column) want += Entry(k, row, column) * x[column];
      ASSERT_NEAR(y[row], want, bound) << k << " row " << row;
    }
  }
}

TEST(Rotation, LeavesSmallBlocksAndLongRowsAlone) {
  for (const int64_t k : {int64_t{1}, int64_t{15}, int64_t{24}, int64_t{1000}, int64_t{32768}}) {
    EXPECT_EQ(RotationOf(k).block, 1) << k;
    const std::vector<float> x = RandomFloats(k, 5);
    std::vector<float> y(k);
    RotateRow(x.data(), nullptr, k, y.data());
    EXPECT_TRUE(SameBits(x, y)) << k;
  }
  EXPECT_EQ(RotationOf(240).block, 16);
  EXPECT_FALSE(RotationOf(240).mixes_three);
  EXPECT_TRUE(RotationOf(384).mixes_three);
}

TEST(RotationAcrossIsas, GivesTheSameBitsEverywhere) {
  const Isa before = CurrentIsa();
  for (const int64_t k : kSizes) {
    const std::vector<float> x = RandomFloats(k, 9);
    std::vector<float> first;
    for (const Isa isa : SupportedIsas()) {
      ASSERT_TRUE(SetIsa(isa).ok());
      std::vector<float> y(k);
      RotateRow(x.data(), nullptr, k, y.data());
      if (first.empty()) first = y;
      EXPECT_TRUE(SameBits(y, first)) << k << " " << IsaName(isa);
    }
  }
  ASSERT_TRUE(SetIsa(before).ok());
}

// Rows with a column forty times as large as the others, as they are behind a LayerNorm of a BERT.
TEST(Rotation, KeepsTheSmallColumnsBesideALargeOne) {
  constexpr int64_t kK = 384, kN = 64;
  const std::vector<float> weight = RandomFloats(kN * kK, 1);
  std::vector<float> x = RandomFloats(kK, 2);
  x[100] = 40;
  const PackedLinear packed = *PackLinear({ViewOf(weight, {kN, kK}), {}}, Precision::kInt8);
  std::vector<uint8_t> q(kK);
  float scale;
  QuantizeRotatedRowsU8(x.data(), kK, 1, kK, nullptr, q.data(), kK, &scale);
  std::vector<float> out(kN);
  LinearRows(packed, {q.data(), kK, &scale}, 1, 0, kN, {}, {out.data(), kN});
  double error = 0, size = 0;
  for (int64_t j = 0; j < kN; ++j) {
    double want = 0;
    for (int64_t i = 0; i < kK; ++i) want += static_cast<double>(x[i]) * weight[j * kK + i];
    error += (out[j] - want) * (out[j] - want);
    size += want * want;
  }
  // Rounding errors of both sides are uniform within half a step of 1/127 of the largest, about
  // 3.5 deviations: 0.8 % each. Without the rotation the row alone would give 5 %.
  EXPECT_LT(std::sqrt(error / size), 0.015);
}

}  // namespace
}  // namespace tessera::kernels
