#include "kernels/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>

#include "kernels/quantize.h"
#include "kernels/rotation.h"
#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

using testing::HasSubstr;

struct LinearShape {
  int64_t rows, k, n;
};
// Tails everywhere: rows around the tile of 6 and the row block of 192, k around the steps and
// their blocks, n around panels.
constexpr LinearShape kShapes[] = {{1, 1, 1},     {1, 64, 64},   {2, 3, 65},   {3, 130, 63},
                                   {5, 17, 128},  {6, 512, 64},  {7, 516, 70}, {13, 1030, 130},
                                   {193, 36, 20}, {200, 515, 66}};
constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kBf16, Precision::kInt8};

// One product: weights and activations in the types of a precision, and what they mean in double.
struct Problem {
  Problem(LinearShape s, Precision precision, uint32_t seed) : shape(s), precision(precision) {
    weight = RandomFloats(s.n * s.k, seed, 0.1f);
    bias = RandomFloats(s.n, seed + 1);
    input = RandomFloats(s.rows * s.k, seed + 2);
    residual = RandomFloats(s.rows * s.n, seed + 3);
    rotated = weight;
    for (int64_t j = 0; j < s.n; ++j) {
      float* const row = rotated.data() + j * s.k;
      RotateRow(row, nullptr, s.k, row);
      float max = 0;
      for (int64_t i = 0; i < s.k; ++i) max = std::max(max, std::fabs(row[i]));
      column_max.push_back(max);
    }
    packed = *PackLinear({ViewOf(weight, {s.n, s.k}), ViewOf(bias, {s.n})}, precision);
    ld = PaddedK(precision, s.k) + 4;
    bytes.assign(static_cast<size_t>(s.rows * ld) * DTypeSize(ActivationDType(precision)), 0xAB);
    scale.resize(static_cast<size_t>(s.rows));
    switch (precision) {
      case Precision::kF32:
        for (int64_t r = 0; r < s.rows; ++r) {
          std::memcpy(bytes.data() + r * ld * 4, &input[r * s.k], s.k * 4);
        }
        break;
      case Precision::kBf16:
        ConvertRowsBf16(input.data(), s.k, s.rows, s.k, reinterpret_cast<BF16*>(bytes.data()), ld);
        break;
      case Precision::kInt8:
        QuantizeRotatedRowsU8(input.data(), s.k, s.rows, s.k, nullptr, bytes.data(), ld,
                              scale.data());
        break;
    }
  }

  LinearInput Input() const { return {bytes.data(), ld, scale.data()}; }

  double Activation(int64_t r, int64_t i) const {
    switch (precision) {
      case Precision::kF32:
        return input[r * shape.k + i];
      case Precision::kBf16:
        return ToF32(ToBF16(input[r * shape.k + i]));
      case Precision::kInt8:
        return (bytes[r * ld + i] - 128.0) * scale[r];
    }
    return 0;
  }
  // Rounded here from the source, not read from the panels.
  double Weight(int64_t j, int64_t i) const {
    const float w = weight[j * shape.k + i];
    switch (precision) {
      case Precision::kF32:
        return w;
      case Precision::kBf16:
        return ToF32(ToBF16(w));
      case Precision::kInt8: {
        // What meets a rotated row.
        const float max = column_max[j];
        return std::nearbyint(rotated[j * shape.k + i] * (127.0f / max)) *
               static_cast<double>(max / 127.0f * RotationOf(shape.k).gain());
      }
    }
    return 0;
  }

  LinearShape shape;
  Precision precision;
  std::vector<float> weight, rotated, bias, input, residual, scale, column_max;
  std::vector<uint8_t> bytes;
  PackedLinear packed;
  int64_t ld = 0;
};

std::vector<float> Product(const Problem& p, const LinearEpilogue& epilogue = {}) {
  std::vector<float> out(static_cast<size_t>(p.shape.rows * p.shape.n), -777.0f);
  LinearRows(p.packed, p.Input(), p.shape.rows, 0, p.shape.n, epilogue,
             {out.data(), p.shape.n, DType::kF32});
  return out;
}

class LinearTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(LinearTest);

TEST_P(LinearTest, StaysWithinItsErrorBound) {
  for (Precision precision : kPrecisions) {
    for (const LinearShape& s : kShapes) {
      const Problem p(s, precision, 7);
      const std::vector<float> out = Product(p);
      for (int64_t r = 0; r < s.rows; r += s.rows > 100 ? 17 : 1) {
        for (int64_t j = 0; j < s.n; ++j) {
          double sum = 0, magnitude = 0;
          for (int64_t i = 0; i < s.k; ++i) {
            const double product = p.Activation(r, i) * p.Weight(j, i);
            sum += product;
            magnitude += std::fabs(product);
          }
          const double bias = p.bias[j];
          const double bound = precision == Precision::kInt8
                                   ? 4 * kEps * (std::fabs(sum) + std::fabs(bias))
                                   : (precision == Precision::kF32 ? 1 : 2) *
                                         static_cast<double>(s.k + 2) * kEps *
                                         (magnitude + std::fabs(bias));
          ASSERT_NEAR(out[r * s.n + j], sum + bias, bound)
              << PrecisionName(precision) << " " << s.rows << "x" << s.k << "x" << s.n << " at "
              << r << "," << j;
        }
      }
    }
  }
}

TEST_P(LinearTest, BitsDoNotDependOnTheNumberOfRowsOrTheCut) {
  for (Precision precision : kPrecisions) {
    const Problem p({200, 1031, 150}, precision, 11);
    const std::vector<float> whole = Product(p);
    const auto element = static_cast<int64_t>(DTypeSize(ActivationDType(precision)));
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 193}) {
      for (int64_t first : {int64_t{0}, int64_t{5}, 200 - rows}) {
        if (first + rows > 200) continue;
        std::vector<float> part(static_cast<size_t>(rows * 150), -1.0f);
        const LinearInput input{p.bytes.data() + first * p.ld * element, p.ld,
                                p.scale.data() + first};
        const LinearOutput output{part.data(), 150, DType::kF32};
        LinearRows(p.packed, input, rows, 64, 150, {}, output);
        LinearRows(p.packed, input, rows, 0, 64, {}, output);
        ASSERT_EQ(0, std::memcmp(part.data(), &whole[first * 150], part.size() * 4))
            << PrecisionName(precision) << " rows " << first << " + " << rows;
      }
    }
  }
}

TEST_P(LinearTest, EpilogueAddsGeluResidualAndRoundsToBf16) {
  for (Precision precision : kPrecisions) {
    const Problem p({9, 40, 75}, precision, 3);
    const std::vector<float> plain = Product(p);
    LinearEpilogue epilogue{Activation::kGelu, p.residual.data(), 75};
    const std::vector<float> out = Product(p, epilogue);
    for (size_t i = 0; i < out.size(); ++i) {
      const double x = plain[i];
      const double gelu = 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
      ASSERT_NEAR(out[i], gelu + p.residual[i],
                  4 * kEps * std::fabs(x) + kEps * std::fabs(gelu + p.residual[i]));
    }
    // In place over the residual.
    std::vector<float> in_place = p.residual;
    epilogue.residual = in_place.data();
    LinearRows(p.packed, p.Input(), 9, 0, 75, epilogue, {in_place.data(), 75, DType::kF32});
    EXPECT_TRUE(SameBits(in_place, out));
    // bf16 output is the f32 one rounded.
    epilogue.residual = p.residual.data();
    std::vector<BF16> half(9 * 75, BF16{0x1234});
    LinearRows(p.packed, p.Input(), 9, 0, 75, epilogue, {half.data(), 75, DType::kBF16});
    for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(half[i].bits, ToBF16(out[i]).bits);
  }
}

TEST_P(LinearTest, WritesOnlyItsColumns) {
  for (Precision precision : kPrecisions) {
    const Problem p({3, 20, 70}, precision, 5);
    std::vector<float> out(3 * 100, 42.0f);
    LinearRows(p.packed, p.Input(), 3, 64, 70, {}, {out.data(), 100, DType::kF32});
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t j = 0; j < 100; ++j) {
        ASSERT_EQ(out[r * 100 + j] == 42.0f, j < 64 || j >= 70);
      }
    }
  }
}

// With scales of one and no bias the output is the integer sum itself. Levels at both ends would
// saturate 16-bit pair sums.
TEST_P(LinearTest, Int8SumsAreExact) {
  constexpr int64_t kK = 1000, kN = 64, kRows = 7;
  std::vector<float> weight(kN * kK);
  std::mt19937 generator(1);
  for (size_t i = 0; i < weight.size(); ++i) {
    const int64_t j = static_cast<int64_t>(i) / kK;
    weight[i] = j == 0 ? 127.0f : j == 1 ? -127.0f : static_cast<float>(generator() % 255) - 127.0f;
  }
  for (int64_t j = 0; j < kN; ++j) weight[j * kK] = 127.0f;  // scale exactly 1
  const PackedLinear packed = *PackLinear({ViewOf(weight, {kN, kK}), {}}, Precision::kInt8);
  std::vector<uint8_t> input(kRows * kK);
  for (size_t i = 0; i < input.size(); ++i) {
    const size_t r = i / kK;
    input[i] = static_cast<uint8_t>(r == 0 ? 255 : r == 1 ? 1 : 1 + generator() % 255);
  }
  const std::vector<float> scale(kRows, 1.0f);
  std::vector<float> out(kRows * kN);
  LinearRows(packed, {input.data(), kK, scale.data()}, kRows, 0, kN, {}, {out.data(), kN});
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t j = 0; j < kN; ++j) {
      int64_t sum = 0;
      for (int64_t i = 0; i < kK; ++i) {
        sum += (input[r * kK + i] - 128) * static_cast<int64_t>(weight[j * kK + i]);
      }
      ASSERT_EQ(out[r * kN + j], static_cast<float>(sum)) << r << "," << j;
    }
  }
}

TEST(LinearAcrossIsas, Int8IsTheSameBitsEverywhere) {
  const Isa before = CurrentIsa();
  const Problem p({14, 777, 130}, Precision::kInt8, 19);
  std::vector<float> first;
  for (Isa isa : SupportedIsas()) {
    ASSERT_TRUE(SetIsa(isa).ok());
    const std::vector<float> out = Product(p);
    if (first.empty()) first = out;
    EXPECT_TRUE(SameBits(out, first)) << IsaName(isa);
  }
  ASSERT_TRUE(SetIsa(before).ok());
}

// All half-precision numbers, infinities and NaNs included, and the rounding of int8 to even.
TEST(PackLinear, WidensEveryHalfAndRoundsToEven) {
  std::vector<uint16_t> halves(65536);
  std::iota(halves.begin(), halves.end(), uint16_t{0});
  const View view{halves.data(), DType::kF16, {64, 1024}};
  const PackedLinear packed = *PackLinear({view, {}}, Precision::kF32);
  for (int64_t column = 0; column < 64; ++column) {
    for (int64_t i = 0; i < 1024; ++i) {
      const float want = LoadFloat(halves.data(), DType::kF16, column * 1024 + i);
      const float got = static_cast<const float*>(packed.panels)[i * 64 + column];
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want))
          << halves[column * 1024 + i];
    }
  }
  const std::vector<float> row = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, -126.5f, 0.49f, NAN};
  const PackedLinear int8 = *PackLinear({ViewOf(row, {1, 9}), {}}, Precision::kInt8);
  const int expected[] = {127, 0, 2, 2, 0, -2, 126, -126, 0};
  for (int64_t i = 0; i < 9; ++i)
    EXPECT_EQ(static_cast<const int8_t*>(int8.panels)[i / 4 * 256 + i % 4], expected[i]) << row[i];
  EXPECT_TRUE(PackLinear({ViewOf(row, {1, 10}), {}}, Precision::kInt8).ok())
      << "a NaN does no harm";
}

TEST(PackLinear, AViewHasTheBytesOfItsSizes) {
  const std::vector<float> weight(3 * 5, 0.5f);
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    const PackedLinear packed = *PackLinear({ViewOf(weight, {3, 5}), {}}, precision);
    EXPECT_EQ(packed.bytes.size(), *PackedLinearBytes(precision, 3, 5));
    const auto view = ViewPackedLinear(precision, 3, 5, packed.bytes, packed.owner);
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(view->panels, packed.panels);
    EXPECT_EQ(view->bias, packed.bias);
    EXPECT_EQ(view->scale, packed.scale);
    EXPECT_EQ(view->correction, packed.correction);
    EXPECT_FALSE(ViewPackedLinear(precision, 3, 9, packed.bytes, nullptr).ok());
    EXPECT_FALSE(ViewPackedLinear(precision, 65, 5, packed.bytes, nullptr).ok());
    EXPECT_FALSE(ViewPackedLinear(precision, 3, 5, packed.bytes.subspan(4), nullptr).ok());
    EXPECT_FALSE(PackedLinearBytes(precision, 0, 5).ok());
    EXPECT_FALSE(PackedLinearBytes(precision, int64_t{1} << 24, int64_t{1} << 24).ok());
  }
}

TEST(PackLinear, StacksMatricesAndReadsAllFloatTypes) {
  const std::vector<float> a = RandomFloats(70 * 10, 1), b = RandomFloats(30 * 10, 2);
  const std::vector<float> bias = RandomFloats(30, 3);
  const std::vector<BF16> b16 = ToBf16Vector(b);
  std::vector<F16> a16(a.size());
  for (size_t i = 0; i < a.size(); ++i) a16[i] = ToF16(a[i]);
  const LinearSource sources[] = {{View{a16.data(), DType::kF16, {70, 10}}, {}},
                                  {View{b16.data(), DType::kBF16, {30, 10}}, ViewOf(bias, {30})}};
  const PackedLinear packed = *PackLinear(sources, Precision::kF32);
  ASSERT_EQ(packed.n, 100);
  ASSERT_EQ(packed.n_padded, 128);
  std::vector<float> identity(10 * 10, 0.0f);
  for (int i = 0; i < 10; ++i) identity[i * 11] = 1.0f;
  std::vector<float> out(10 * 100);
  LinearRows(packed, {identity.data(), 10}, 10, 0, 100, {}, {out.data(), 100});
  for (int64_t i = 0; i < 10; ++i) {
    for (int64_t j = 0; j < 70; ++j) ASSERT_EQ(out[i * 100 + j], ToF32(a16[j * 10 + i]));
    for (int64_t j = 0; j < 30; ++j) {
      ASSERT_EQ(out[i * 100 + 70 + j], ToF32(b16[j * 10 + i]) + bias[j]);
    }
  }
}

TEST(PackLinear, RefusesWhatDoesNotFit) {
  const std::vector<float> w(60), bias(6);
  const std::vector<int32_t> ints(60);
  EXPECT_FALSE(PackLinear(std::span<const LinearSource>(), Precision::kF32).ok());
  EXPECT_THAT(PackLinear({ViewOf(w, {60}), {}}, Precision::kF32).status().message(),
              HasSubstr("shape [n, k]"));
  EXPECT_THAT(
      PackLinear({ViewOf(w, {6, 10}), ViewOf(bias, {5})}, Precision::kF32).status().message(),
      HasSubstr("bias of shape [6]"));
  EXPECT_FALSE(PackLinear({View{ints.data(), DType::kI32, {6, 10}}, {}}, Precision::kF32).ok());
  EXPECT_FALSE(PackLinear({ViewOf(w, {0, 10}), {}}, Precision::kF32).ok());
  const LinearSource differing[] = {{ViewOf(w, {6, 10}), {}}, {ViewOf(w, {10, 6}), {}}};
  EXPECT_THAT(PackLinear(differing, Precision::kBf16).status().message(), HasSubstr("share k"));
}

}  // namespace
}  // namespace tessera::kernels
