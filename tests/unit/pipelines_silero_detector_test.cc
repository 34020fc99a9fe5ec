#include "pipelines/silero_detector.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

constexpr int64_t kFrame = SpeechDetector::kFrameSamples;

TEST(SileroDetector, SaysHowToInstallTheModel) {
  ModelStoreOptions store;
  store.folder = testing::TempDir() + "no_models_here";
  const auto detector = SileroDetector::Create(std::make_shared<CpuProvider>(1), store);
  ASSERT_FALSE(detector.ok());
  EXPECT_EQ(detector.status().code(), StatusCode::kNotFound);
  EXPECT_NE(detector.status().message().find("silero-vad"), std::string::npos);
}

class SileroDetectorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto models = ModelsFolder();
    if (!models.ok() || !FileExists(JoinPath(*models, "silero-vad/model.onnx"))) {
      GTEST_SKIP() << "silero-vad is not installed (tessera models pull silero-vad)";
    }
    auto detector = SileroDetector::Create(std::make_shared<CpuProvider>(2));
    ASSERT_TRUE(detector.ok()) << detector.status().ToString();
    detector_ = std::move(detector).value();
    // Tones that come and go over noise, 20.3 s.
    std::vector<int16_t> samples(634 * kFrame + 100);
    uint32_t noise = 7;
    for (size_t i = 0; i < samples.size(); ++i) {
      noise = noise * 1664525u + 1013904223u;
      const double tone =
          6000.0 * std::sin(static_cast<double>(i) * (0.05 + 0.02 * (i / 4000 % 5)));
      samples[i] = static_cast<int16_t>(static_cast<int32_t>(noise) / (1 << 22) +
                                        (i / 6000 % 2 == 0 ? tone : 0.0));
    }
    clip_ = AudioClip::FromSamples(samples);
    other_ = AudioClip::FromSamples(std::vector<int16_t>(20 * kFrame, 3));
    whole_ = Run(clip_, 0, clip_.num_samples());
    ASSERT_EQ(whole_.size(), 635u);
  }

  std::vector<float> Run(const AudioClip& clip, int64_t begin, int64_t count) {
    auto p = detector_->Probabilities(clip, begin, count, {});
    EXPECT_TRUE(p.ok()) << p.status().ToString();
    return p.ok() ? *p : std::vector<float>();
  }
  std::vector<float> Part(int64_t begin, int64_t end) const {
    return {whole_.begin() + begin, whole_.begin() + end};
  }

  std::unique_ptr<SileroDetector> detector_;
  AudioClip clip_, other_;
  std::vector<float> whole_;
};

TEST_F(SileroDetectorTest, PartsHaveTheBitsOfOnePass) {
  for (const float p : whole_) ASSERT_TRUE(p >= 0 && p <= 1) << p;
  // Onward, with a gap longer than a piece, back, after another recording, after a cut frame.
  EXPECT_EQ(Run(clip_, 0, 100 * kFrame), Part(0, 100));
  EXPECT_EQ(Run(clip_, 100 * kFrame, 7 * kFrame), Part(100, 107));
  EXPECT_EQ(Run(clip_, 500 * kFrame, 90 * kFrame), Part(500, 590));
  EXPECT_EQ(Run(clip_, 3 * kFrame, 20 * kFrame), Part(3, 23));
  EXPECT_EQ(Run(other_, 0, other_.num_samples()).size(), 20u);
  EXPECT_EQ(Run(clip_, 30 * kFrame, 5 * kFrame), Part(30, 35));
  EXPECT_EQ(Run(clip_, 35 * kFrame, 2 * kFrame + 1).size(), 3u);
  EXPECT_EQ(Run(clip_, 38 * kFrame, clip_.num_samples() - 38 * kFrame), Part(38, 635));
  EXPECT_TRUE(Run(clip_, 0, 0).empty());
}

TEST_F(SileroDetectorTest, StopsAndContinues) {
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = detector_->Probabilities(clip_, 0, clip_.num_samples(), stop.get_token());
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Run(clip_, 10 * kFrame, 10 * kFrame), Part(10, 20));
}

TEST_F(SileroDetectorTest, RefusesRangesOutsideTheRecording) {
  const int64_t size = clip_.num_samples();
  const std::pair<int64_t, int64_t> bad[] = {
      {-kFrame, 1}, {1, kFrame}, {0, -1}, {0, size + 1}, {size / kFrame * kFrame, kFrame}};
  for (const auto& [begin, count] : bad) {
    const auto p = detector_->Probabilities(clip_, begin, count, {});
    ASSERT_FALSE(p.ok()) << begin << " + " << count;
    EXPECT_EQ(p.status().code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tessera
