// Quantise, convert, LayerNorm, GELU, softmax and log-softmax against their definitions in double,
// within their stated bounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/log_softmax.h"
#include "kernels/quantize.h"
#include "kernels/softmax.h"
#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kWidths[] = {1, 2, 3, 7, 15, 16, 17, 63, 64, 65, 130, 512, 1000};

class RowsTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(RowsTest);

TEST_P(RowsTest, QuantizeRoundsToTheNearestOf255Levels) {
  for (int64_t cols : kWidths) {
    const int64_t ldx = cols + 3, ldq = (cols + 3) / 4 * 4 + 4;
    std::vector<float> x = RandomFloats(3 * ldx, 5, 2.0f);
    std::fill(x.begin() + ldx, x.begin() + 2 * ldx, 0.0f);  // a row of zeros
    std::vector<uint8_t> q(3 * ldq, 7);
    std::vector<float> scale(3);
    QuantizeRowsU8(x.data(), ldx, 3, cols, q.data(), ldq, scale.data());
    for (int64_t r = 0; r < 3; ++r) {
      float max = 0;
      for (int64_t i = 0; i < cols; ++i) max = std::max(max, std::fabs(x[r * ldx + i]));
      ASSERT_EQ(scale[r], max / 127.0f);
      for (int64_t i = 0; i < cols; ++i) {
        const double level = q[r * ldq + i] - 128.0;
        ASSERT_LE(std::fabs(level), 127.0);
        ASSERT_NEAR(x[r * ldx + i], scale[r] * level, 0.50002 * scale[r]);
      }
      int64_t i = cols;
      for (; i % 4 != 0; ++i) ASSERT_EQ(q[r * ldq + i], 128);
      for (; i < ldq; ++i) ASSERT_EQ(q[r * ldq + i], 7);
    }
  }
}

TEST_P(RowsTest, QuantizeSurvivesExtremes) {
  for (float value : {1e-45f, 0x1p-126f, 0x1p-111f, 0x1p-109f, 3e38f}) {
    const float x[4] = {value, -value, value / 2, 0.0f};
    uint8_t q[4];
    float scale;
    QuantizeRowsU8(x, 4, 1, 4, q, 4, &scale);
    if (value < 0x1p-110f) {
      EXPECT_EQ(scale, 0.0f);
      EXPECT_EQ(q[0], 128);
    } else {
      EXPECT_EQ(q[0], 255);
      EXPECT_EQ(q[1], 1);
    }
    EXPECT_EQ(q[3], 128);
  }
}

TEST_P(RowsTest, ConvertRoundsEvenlyAndKeepsNonFinite) {
  std::vector<float> x = RandomFloats(1000, 3);
  x.insert(x.end(), {kInfinity, -kInfinity, 0.0f, -0.0f, 1e-40f, 1.00390625f, 1.01171875f, 3.4e38f,
                     std::nanf("")});
  std::vector<BF16> y(x.size() + 1);
  ConvertRowsBf16(x.data(), static_cast<int64_t>(x.size()), 1, static_cast<int64_t>(x.size()),
                  y.data(), 1010);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i].bits, ToBF16(x[i]).bits) << x[i];
  ASSERT_EQ(y[x.size()].bits, 0);
}

TEST_P(RowsTest, LayerNormStaysWithinItsBound) {
  for (int64_t d : kWidths) {
    for (float offset : {0.0f, 100.0f}) {
      std::vector<float> x = RandomFloats(3 * (d + 2), 9);
      for (float& v : x) v += offset;
      const std::vector<float> gamma = RandomFloats(d, 10), beta = RandomFloats(d, 11);
      const LayerNormWeights w{gamma.data(), beta.data(), d, 1e-5f};
      std::vector<float> y(3 * d);
      LayerNormRowsF32(w, x.data(), d + 2, 3, y.data(), d);
      for (int64_t r = 0; r < 3; ++r) {
        const float* row = &x[r * (d + 2)];
        double mean = 0, variance = 0, max = 0;
        for (int64_t i = 0; i < d; ++i) mean += row[i];
        mean /= static_cast<double>(d);
        for (int64_t i = 0; i < d; ++i) {
          variance += (row[i] - mean) * (row[i] - mean);
          max = std::max(max, std::fabs(static_cast<double>(row[i])));
        }
        const double deviation = std::sqrt(variance / static_cast<double>(d) + 1e-5);
        for (int64_t i = 0; i < d; ++i) {
          const double want = (row[i] - mean) / deviation * gamma[i] + beta[i];
          const double bound =
              std::fabs(gamma[i]) * 16 * kEps * (std::fabs(row[i] - mean) + max) / deviation +
              2 * kEps * std::fabs(beta[i]);
          ASSERT_NEAR(y[r * d + i], want, bound) << "d " << d << " row " << r << " column " << i;
        }
      }
    }
  }
}

// The bf16 and u8 forms are the f32 form followed by the conversion, bit for bit.
TEST_P(RowsTest, LayerNormFormsAgree) {
  for (int64_t d : kWidths) {
    const int64_t padded = (d + 3) / 4 * 4;
    const std::vector<float> x = RandomFloats(5 * d, 21), gamma = RandomFloats(d, 22),
                             beta = RandomFloats(d, 23);
    const LayerNormWeights w{gamma.data(), beta.data(), d, 1e-5f};
    std::vector<float> y(5 * d), in_place = x;
    LayerNormRowsF32(w, x.data(), d, 5, y.data(), d);
    LayerNormRowsF32(w, in_place.data(), d, 5, in_place.data(), d);
    EXPECT_TRUE(SameBits(y, in_place));
    std::vector<BF16> half(5 * padded), half_want(5 * padded);
    LayerNormRowsBf16(w, x.data(), d, 5, half.data(), padded);
    ConvertRowsBf16(y.data(), d, 5, d, half_want.data(), padded);
    EXPECT_EQ(0, std::memcmp(half.data(), half_want.data(), half.size() * 2));
    std::vector<uint8_t> q(5 * padded), q_want(5 * padded);
    std::vector<float> scale(5), scale_want(5);
    LayerNormRowsU8(w, x.data(), d, 5, nullptr, q.data(), padded, scale.data());
    QuantizeRotatedRowsU8(y.data(), d, 5, d, nullptr, q_want.data(), padded, scale_want.data());
    EXPECT_EQ(q, q_want);
    EXPECT_TRUE(SameBits(scale, scale_want));
  }
}

// Every 4099th float of both signs (about a million values).
TEST_P(RowsTest, GeluStaysWithinItsBoundOverAllFloats) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < 0x7F800000u; bits += 4099) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    x.push_back(-x.back());
  }
  std::vector<float> y(x.size());
  Gelu(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double want = 0.5 * v * std::erfc(-v * 0.70710678118654752);
    // Below the normal range one unit in the last place is 2^-149.
    ASSERT_LE(std::fabs(y[i] - want), 4 * kEps * std::fabs(v) + 0x1p-149) << x[i];
  }
  const float special[2] = {kInfinity, std::nanf("")};
  float out[2];
  Gelu(special, 2, out);
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_TRUE(std::isnan(out[1]));
}

TEST_P(RowsTest, ExponentialStaysWithinItsBound) {
  // A row of {0, x}: softmax gives exp(x) / (1 + exp(x)).
  for (float x = 0.0f; x > -90.0f; x -= 0.0173f) {
    const float row[2] = {0.0f, x};
    float y[2];
    SoftmaxRows(row, 2, 1, 2, y, 2);
    const double e = std::exp(static_cast<double>(x));
    if (x < -87.0f) {
      ASSERT_LE(y[1], 1.65e-38f);
    } else {
      ASSERT_NEAR(y[1], e / (1 + e), 8 * 0x1p-23 * e / (1 + e)) << x;
    }
  }
}

TEST_P(RowsTest, SoftmaxStaysWithinItsBound) {
  for (int64_t cols : {1, 2, 3, 17, 64, 100, 1500}) {
    std::vector<float> x = RandomFloats(2 * cols, 31, 10.0f);
    if (cols > 2) x[1] = -kInfinity;
    std::vector<float> y(2 * cols);
    SoftmaxRows(x.data(), cols, 2, cols, y.data(), cols);
    for (int64_t r = 0; r < 2; ++r) {
      const float* row = &x[r * cols];
      const double max = *std::max_element(row, row + cols);
      double sum = 0;
      for (int64_t i = 0; i < cols; ++i) sum += std::exp(row[i] - max);
      for (int64_t i = 0; i < cols; ++i) {
        const double want = std::exp(row[i] - max) / sum;
        const double relative = 8 * 0x1p-23 + (max - row[i] + static_cast<double>(cols) / 4) * kEps;
        ASSERT_NEAR(y[r * cols + i], want, row[i] == -kInfinity ? 0 : relative * want + 1e-37);
      }
    }
  }
}

TEST_P(RowsTest, SoftmaxOfMaskedAndBrokenRows) {
  std::vector<float> x(40, -kInfinity);
  SoftmaxRows(x.data(), 40, 1, 40, x.data(), 40);
  for (float v : x) ASSERT_EQ(v, 0.0f);
  for (int64_t bad : {0, 20, 39}) {
    std::vector<float> y(80, 1.0f);
    y[bad] = std::nanf("");
    SoftmaxRows(y.data(), 40, 2, 40, y.data(), 40);
    EXPECT_TRUE(std::isnan(y[bad]));
    for (int64_t i = 40; i < 80; ++i) ASSERT_NEAR(y[i], 1.0 / 40, 1e-8);
  }
}

TEST_P(RowsTest, LogSoftmaxStatsFindTheFirstMaximum) {
  for (int64_t cols : {1, 5, 16, 33, 511, 513, 51865}) {
    std::vector<float> x = RandomFloats(cols, 41, 5.0f);
    x[cols / 2] = x[cols - 1] = 40.0f;
    if (cols > 3) x[1] = -kInfinity;
    RowStats stats;
    LogSoftmaxStats(x.data(), cols, 1, cols, &stats);
    EXPECT_EQ(stats.max, 40.0f);
    EXPECT_EQ(stats.argmax, cols / 2);
    double sum = 0;
    for (float v : x) sum += std::exp(v - 40.0);
    EXPECT_NEAR(stats.log_sum_exp, 40.0 + std::log(sum), 0x1p-17 + 0x1p-23 * 40);
    std::vector<float> y(x.size());
    LogSoftmaxApply(x.data(), cols, 1, cols, &stats, y.data(), cols);
    for (int64_t i = 0; i < cols; ++i) ASSERT_EQ(y[i], x[i] - stats.log_sum_exp);
  }
  const std::vector<float> masked(20, -kInfinity);
  RowStats stats{1, 1, 1};
  LogSoftmaxStats(masked.data(), 20, 1, 20, &stats);
  EXPECT_EQ(stats.log_sum_exp, -kInfinity);
  EXPECT_EQ(stats.argmax, 0);
  std::vector<float> y(20);
  LogSoftmaxApply(masked.data(), 20, 1, 20, &stats, y.data(), 20);
  for (float v : y) EXPECT_EQ(v, -kInfinity);
}

// A wide flat row, where a single f32 sum would drift.
TEST_P(RowsTest, LogSumExpOfManyEqualValues) {
  const std::vector<float> x(200000, 1.0f);
  RowStats stats;
  LogSoftmaxStats(x.data(), 200000, 1, 200000, &stats);
  EXPECT_NEAR(stats.log_sum_exp, 1.0 + std::log(200000.0), 0x1p-17);
}

TEST(RowsAcrossIsas, QuantisationAndBf16AreTheSameBitsEverywhere) {
  const Isa before = CurrentIsa();
  const std::vector<float> x = RandomFloats(7 * 333, 51, 3.0f);
  std::vector<uint8_t> first;
  std::vector<float> first_scale;
  for (Isa isa : SupportedIsas()) {
    ASSERT_TRUE(SetIsa(isa).ok());
    std::vector<uint8_t> q(7 * 336);
    std::vector<float> scale(7);
    QuantizeRowsU8(x.data(), 333, 7, 333, q.data(), 336, scale.data());
    if (first.empty()) first = q, first_scale = scale;
    EXPECT_EQ(q, first) << IsaName(isa);
    EXPECT_TRUE(SameBits(scale, first_scale)) << IsaName(isa);
  }
  ASSERT_TRUE(SetIsa(before).ok());
}

}  // namespace
}  // namespace tessera::kernels
