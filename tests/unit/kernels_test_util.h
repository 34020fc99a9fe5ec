// What the kernel tests share: the instruction sets to test, reproducible data, error measures.
#ifndef TESSERA_TESTS_UNIT_KERNELS_TEST_UTIL_H_
#define TESSERA_TESTS_UNIT_KERNELS_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "tensor/tensor.h"

namespace tessera::kernels {

inline constexpr double kEps = 1.0 / (1 << 24);  // half a unit in the last place of 1.0f

// Runs a test on one instruction set, and goes back afterwards.
class IsaTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    before_ = CurrentIsa();
    ASSERT_TRUE(SetIsa(GetParam()).ok());
  }
  void TearDown() override { ASSERT_TRUE(SetIsa(before_).ok()); }

 private:
  Isa before_ = Isa::kScalar;
};

inline std::string IsaTestName(const testing::TestParamInfo<Isa>& info) {
  return std::string(IsaName(info.param));
}

#define TESSERA_INSTANTIATE_ISAS(suite) \
  INSTANTIATE_TEST_SUITE_P(Isas, suite, testing::ValuesIn(SupportedIsas()), IsaTestName)

inline std::vector<float> RandomFloats(int64_t count, uint32_t seed, float sigma = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, sigma);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(generator);
  return values;
}

inline std::vector<BF16> ToBf16Vector(const std::vector<float>& values) {
  std::vector<BF16> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = ToBF16(values[i]);
  return out;
}

inline View ViewOf(const std::vector<float>& values, Shape shape) {
  return View{values.data(), DType::kF32, std::move(shape)};
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace tessera::kernels

#endif  // TESSERA_TESTS_UNIT_KERNELS_TEST_UTIL_H_
