// Instruction set selection, convolution helpers, gather and add.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv1d.h"
#include "kernels/gather.h"
#include "kernels/linear.h"
#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

using testing::HasSubstr;

TEST(Isa, NamesRoundTrip) {
  for (Isa isa : SupportedIsas()) EXPECT_EQ(*ParseIsa(IsaName(isa)), isa);
  EXPECT_EQ(*ParseIsa("ZEN4"), Isa::kAvx512Bf16);
  EXPECT_EQ(*ParseIsa("avx512"), Isa::kAvx512Vnni);
  EXPECT_THAT(ParseIsa("mmx").status().message(), HasSubstr("avx2"));
}

TEST(Isa, RefusesWhatTheCpuLacks) {
  const std::vector<Isa> isas = SupportedIsas();
  ASSERT_EQ(isas.front(), Isa::kScalar);
  EXPECT_THAT(DescribeIsa(), HasSubstr(std::string(IsaName(CurrentIsa()))));
  // No CPU runs both families.
  const bool arm = std::find(isas.begin(), isas.end(), Isa::kNeon) != isas.end();
  const Status status = SetIsa(arm ? Isa::kAvx2 : Isa::kNeon);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("scalar"));
}

class MiscTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(MiscTest);

// Conv1d by its definition, against repacked weight + windows + Linear, and against the
// overlapping-rows form.
TEST_P(MiscTest, ConvolutionAsLinear) {
  struct Case {
    int64_t length, in, out, kernel, stride, padding;
  };
  for (const Case& c :
       {Case{20, 5, 7, 3, 1, 1}, Case{21, 16, 70, 3, 2, 1}, Case{9, 3, 4, 5, 3, 0}}) {
    const std::vector<float> weight = RandomFloats(c.out * c.in * c.kernel, 1);
    const std::vector<float> x = RandomFloats(c.length * c.in, 2);
    const PackedLinear packed =
        *PackLinear({ViewOf(weight, {c.out, c.in, c.kernel}), {}}, Precision::kF32);
    const int64_t frames = Conv1dOutputLength(c.length, c.kernel, c.stride, c.padding);
    const int64_t k = c.kernel * c.in;
    std::vector<float> windows(frames * k, 9.0f), out(frames * c.out);
    const Im2ColArgs args{x.data(), c.in, c.length, c.in, c.kernel, c.stride, c.padding};
    Im2ColRows(args, 0, 2, windows.data(), k);
    Im2ColRows(args, 2, frames - 2, windows.data() + 2 * k, k);
    LinearRows(packed, {windows.data(), k}, frames, 0, c.out, {}, {out.data(), c.out});
    for (int64_t t = 0; t < frames; ++t) {
      for (int64_t o = 0; o < c.out; ++o) {
        double sum = 0, magnitude = 0;
        for (int64_t j = 0; j < c.kernel; ++j) {
          const int64_t at = t * c.stride - c.padding + j;
          if (at < 0 || at >= c.length) continue;
          for (int64_t i = 0; i < c.in; ++i) {
            const double product =
                static_cast<double>(x[at * c.in + i]) * weight[(o * c.in + i) * c.kernel + j];
            sum += product;
            magnitude += std::fabs(product);
          }
        }
        ASSERT_NEAR(out[t * c.out + o], sum, static_cast<double>(k + 2) * kEps * magnitude);
      }
    }
    std::vector<float> padded((c.length + 2 * c.padding) * c.in, 0.0f), overlapped(out.size());
    std::copy(x.begin(), x.end(), padded.begin() + c.padding * c.in);
    LinearRows(packed, {padded.data(), c.stride * c.in}, frames, 0, c.out, {},
               {overlapped.data(), c.out});
    EXPECT_TRUE(SameBits(out, overlapped));
  }
  EXPECT_EQ(Conv1dOutputLength(2, 5, 1, 1), 0);
}

TEST_P(MiscTest, GatherReadsEveryFloatType) {
  const std::vector<float> table = RandomFloats(10 * 20, 3);
  const std::vector<BF16> half = ToBf16Vector(table);
  std::vector<F16> f16(table.size());
  for (size_t i = 0; i < table.size(); ++i) f16[i] = ToF16(table[i]);
  const int32_t ids[] = {9, 0, 4, 4};
  std::vector<float> out(4 * 17);
  const auto check = [&](auto value) {
    for (int r = 0; r < 4; ++r) {
      for (int i = 0; i < 15; ++i) ASSERT_EQ(out[r * 17 + i], value(ids[r] * 20 + i));
    }
  };
  GatherRows(table.data(), DType::kF32, 10, 20, 15, ids, 4, out.data(), 17);
  check([&](int i) { return table[i]; });
  GatherRows(half.data(), DType::kBF16, 10, 20, 15, ids, 4, out.data(), 17);
  check([&](int i) { return ToF32(half[i]); });
  GatherRows(f16.data(), DType::kF16, 10, 20, 15, ids, 4, out.data(), 17);
  check([&](int i) { return ToF32(f16[i]); });
}

TEST_P(MiscTest, AddIsExact) {
  for (int64_t n : {1, 7, 16, 50}) {
    const std::vector<float> a = RandomFloats(3 * n, 4), b = RandomFloats(3 * n, 5);
    std::vector<float> out(3 * n);
    Add(a.data(), b.data(), 3 * n, out.data());
    for (int64_t i = 0; i < 3 * n; ++i) ASSERT_EQ(out[i], a[i] + b[i]);
    out = a;
    AddRowVector(out.data(), n, b.data(), 3, n, out.data(), n);
    for (int64_t i = 0; i < 3 * n; ++i) ASSERT_EQ(out[i], a[i] + b[i % n]);
  }
}

}  // namespace
}  // namespace tessera::kernels
