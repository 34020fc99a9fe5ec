#include "audio/clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace tessera {
namespace {

std::vector<int16_t> Ramp(int count) {
  std::vector<int16_t> samples(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) samples[i] = static_cast<int16_t>(i * 7);
  return samples;
}

TEST(AudioClip, ReadsTheSameFromMemoryAndFile) {
  const std::vector<int16_t> samples = Ramp(10000);
  for (const int64_t memory : {int64_t{1} << 20, int64_t{4096}, int64_t{0}}) {
    AudioClipWriter writer(memory);
    for (size_t at = 0; at < samples.size(); at += 999) {
      ASSERT_TRUE(
          writer.Append(std::span(samples).subspan(at, std::min<size_t>(999, samples.size() - at)))
              .ok());
    }
    auto clip = std::move(writer).Finish();
    ASSERT_TRUE(clip.ok());
    EXPECT_EQ(clip->spilled(), memory < 20000);
    EXPECT_EQ(clip->num_samples(), 10000);
    EXPECT_DOUBLE_EQ(clip->duration_seconds(), 0.625);
    std::vector<int16_t> out(1234);
    ASSERT_TRUE(clip->Read(8766, out).ok());
    EXPECT_TRUE(std::equal(out.begin(), out.end(), samples.begin() + 8766));
    EXPECT_EQ(clip->Read(8767, out).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(clip->Read(-1, out).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(clip->Read(std::numeric_limits<int64_t>::max(), out).code(),
              StatusCode::kInvalidArgument);
    EXPECT_TRUE(clip->Read(10000, {}).ok());
  }
}

TEST(AudioClip, RoundsFloatsAsFfmpeg) {
  const float lsb = 1.0f / 32768;
  EXPECT_EQ(FloatToSample(0.5f * lsb), 0);  // ties to even
  EXPECT_EQ(FloatToSample(1.5f * lsb), 2);
  EXPECT_EQ(FloatToSample(-0.6f * lsb), -1);
  EXPECT_EQ(FloatToSample(1.0f), 32767);
  EXPECT_EQ(FloatToSample(-1e30f), -32768);
  const std::vector<float> x = {0.25f, -0.25f};
  std::vector<int16_t> out(2);
  const auto clip = AudioClip::FromSamples(std::span<const float>(x));
  ASSERT_TRUE(clip.ok() && clip->Read(0, out).ok());
  EXPECT_EQ(out, (std::vector<int16_t>{8192, -8192}));
}

TEST(AudioClip, RefusesSamplesThatAreNoNumbers) {
  std::vector<float> x(20000, std::numeric_limits<float>::max());
  EXPECT_TRUE(AudioClip::FromSamples(std::span<const float>(x)).ok());
  for (const float bad : {std::nanf(""), -std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    x[17600] = bad;
    const auto clip = AudioClip::FromSamples(std::span<const float>(x));
    ASSERT_EQ(clip.status().code(), StatusCode::kDataLoss) << bad;
    EXPECT_NE(clip.status().message().find("the sample at 1.100 s is "), std::string::npos)
        << clip.status().message();
  }
}

TEST(AudioClip, EmptyByDefault) {
  EXPECT_EQ(AudioClip().num_samples(), 0);
  EXPECT_TRUE(AudioClip().Read(0, {}).ok());
}

}  // namespace
}  // namespace tessera
