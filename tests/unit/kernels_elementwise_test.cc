// Relu, sigmoid, magnitude and the LSTM cell against their definitions in double, within their
// stated bounds.
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double SigmoidOf(double x) { return 1.0 / (1.0 + std::exp(-x)); }

class ElementwiseTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(ElementwiseTest);

TEST_P(ElementwiseTest, Relu) {
  for (int64_t n : {1, 7, 16, 37}) {
    std::vector<float> x = RandomFloats(n, 1), y(n + 1, 9.0f);
    Relu(x.data(), n, y.data());
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], std::max(x[i], 0.0f));
    EXPECT_EQ(y[n], 9.0f);
  }
  float special[] = {-kInfinity, kInfinity, std::nanf(""), -0.0f};
  Relu(special, 4, special);
  EXPECT_EQ(special[0], 0.0f);
  EXPECT_EQ(special[1], kInfinity);
  EXPECT_TRUE(std::isnan(special[2]));
}

TEST_P(ElementwiseTest, SigmoidStaysWithinItsBound) {
  std::vector<float> x;
  for (float v = -86.9f; v < 100.0f; v += 0.01f) x.push_back(v);
  for (float v : {1e-30f, -1e-7f, 0.0f}) x.push_back(v);
  std::vector<float> y(x.size());
  Sigmoid(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = SigmoidOf(x[i]);
    ASSERT_NEAR(y[i], want, 6 * kEps * want) << x[i];
  }
  float special[] = {-kInfinity, kInfinity, -88.0f, std::nanf("")};
  Sigmoid(special, 4, special);
  EXPECT_EQ(special[0], 0.0f);
  EXPECT_EQ(special[1], 1.0f);
  EXPECT_EQ(special[2], 0.0f);
  EXPECT_TRUE(std::isnan(special[3]));
}

TEST_P(ElementwiseTest, MagnitudeStaysWithinItsBound) {
  for (int64_t n : {1, 5, 129, 1000}) {
    const std::vector<float> re = RandomFloats(n, 3, 40.0f), im = RandomFloats(n, 4);
    std::vector<float> y(n);
    Magnitude(re.data(), im.data(), n, y.data());
    for (int64_t i = 0; i < n; ++i) {
      const double want = std::hypot(double{re[i]}, double{im[i]});
      ASSERT_NEAR(y[i], want, 3 * kEps * want);
    }
  }
}

TEST_P(ElementwiseTest, LstmCellsStayWithinTheirBound) {
  for (int64_t n : {1, 3, 16, 33, 128}) {
    const std::vector<float> gates = RandomFloats(4 * n, 5, 4.0f),
                             before = RandomFloats(n, 6, 2.0f);
    std::vector<float> cell = before, hidden(n);
    LstmCells(gates.data(), n, cell.data(), hidden.data());
    for (int64_t i = 0; i < n; ++i) {
      const double want = SigmoidOf(gates[n + i]) * before[i] +
                          SigmoidOf(gates[i]) * std::tanh(double{gates[2 * n + i]});
      ASSERT_NEAR(cell[i], want, 8 * kEps * (1 + std::fabs(before[i])));
      const double output = SigmoidOf(gates[3 * n + i]) * std::tanh(double{cell[i]});
      ASSERT_NEAR(hidden[i], output, 10 * kEps);
    }
  }
}

}  // namespace
}  // namespace tessera::kernels
