// Cutting of recordings: windows against what they promise, on scripted and random probabilities.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "pipelines/energy_detector.h"
#include "pipelines/recording_windows.h"
#include "pipelines/speech_regions.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Stretches of equal probability.
std::vector<float> Frames(std::vector<std::pair<int, float>> stretches) {
  std::vector<float> frames;
  for (const auto& [count, p] : stretches) frames.insert(frames.end(), count, p);
  return frames;
}

std::vector<FrameRange> Speech(const std::vector<float>& p, bool in_speech = false) {
  std::vector<FrameRange> ranges;
  for (const SpeechRegion& region : FindSpeech(p, {}, in_speech)) ranges.push_back(region.frames);
  return ranges;
}

std::vector<SpeechWindow> Cut(const std::vector<float>& p, size_t piece = 1000,
                              const CutOptions& options = {}) {
  WindowCutter cutter(options);
  std::vector<SpeechWindow> windows;
  const auto take = [&] {
    while (auto window = cutter.Next()) windows.push_back(*window);
  };
  for (size_t i = 0; i < p.size(); i += piece) {
    cutter.Push(std::span(p).subspan(i, std::min(piece, p.size() - i)));
    take();
  }
  cutter.Finish();
  take();
  return windows;
}

std::vector<FrameRange> Ranges(const std::vector<SpeechWindow>& windows) {
  std::vector<FrameRange> ranges;
  for (const SpeechWindow& window : windows) ranges.push_back(window.frames);
  return ranges;
}

TEST(FindSpeechTest, HasHysteresis) {
  // Between the thresholds speech goes on but does not begin.
  EXPECT_THAT(Speech(Frames({{20, 0.4f}, {20, 0.9f}, {20, 0.4f}, {20, 0.1f}})),
              ElementsAre(FrameRange{20, 60}));
  // Short pauses do not end it, short sounds are none.
  EXPECT_THAT(Speech(Frames({{10, 0.9f}, {4, 0.0f}, {10, 0.9f}, {5, 0.0f}, {7, 0.9f}, {9, 0.0f}})),
              ElementsAre(FrameRange{0, 24}));
  EXPECT_THAT(Speech(Frames({{50, 0.49f}})), IsEmpty());
}

TEST(FindSpeechTest, KeepsTheTailOfACutWord) {
  const std::vector<float> tail = Frames({{3, 0.9f}, {20, 0.0f}});
  EXPECT_THAT(Speech(tail, true), ElementsAre(FrameRange{0, 3}));
  EXPECT_THAT(Speech(tail, false), IsEmpty());
  EXPECT_THAT(Speech(Frames({{20, 0.0f}}), true), IsEmpty());
}

TEST(WindowCutterTest, SkipsSilenceAroundSpeech) {
  EXPECT_THAT(Cut({}), IsEmpty());
  EXPECT_THAT(Cut(Frames({{50000, 0.01f}})), IsEmpty());
  const std::vector<SpeechWindow> windows =
      Cut(Frames({{5000, 0.0f}, {100, 0.9f}, {5000, 0.0f}, {100, 0.9f}, {3, 0.0f}}));
  EXPECT_THAT(Ranges(windows), ElementsAre(FrameRange{4992, 5108}, FrameRange{10092, 10203}));
  EXPECT_THAT(windows[0].speech, ElementsAre(FrameRange{5000, 5100}));
}

TEST(WindowCutterTest, EndsInTheLongestPauseWithinReach) {
  // Pauses at 20.5, 25.6 (the long one) and 29.1 s.
  const std::vector<SpeechWindow> windows = Cut(Frames(
      {{640, 0.9f}, {6, 0.0f}, {154, 0.9f}, {30, 0.0f}, {80, 0.9f}, {6, 0.0f}, {300, 0.9f}}));
  EXPECT_THAT(Ranges(windows), ElementsAre(FrameRange{0, 808}, FrameRange{822, 1216}));
}

TEST(WindowCutterTest, EndsBeforeALongSilenceOnceHalfFull) {
  const auto two_parts = [](int first) {
    return Ranges(Cut(Frames({{first, 0.9f}, {80, 0.0f}, {100, 0.9f}})));
  };
  EXPECT_THAT(two_parts(500), ElementsAre(FrameRange{0, 508}, FrameRange{572, 680}));
  EXPECT_THAT(two_parts(400), ElementsAre(FrameRange{0, 580}));
}

TEST(WindowCutterTest, CutsSpeechWithoutAPauseWhereItSoundsLeastLikeIt) {
  std::vector<float> p = Frames({{2000, 0.95f}});
  std::fill(p.begin() + 800, p.begin() + 803, 0.6f);
  const std::vector<SpeechWindow> windows = Cut(p);
  ASSERT_GE(windows.size(), 2u);
  EXPECT_EQ(windows[0].frames, (FrameRange{0, 801}));
  EXPECT_EQ(windows[1].frames.begin, 801);
  EXPECT_EQ(windows.back().frames.end, 2000);
}

// Random recordings: speech and pauses of all lengths, noise at the thresholds.
class RandomCutTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RandomCutTest, LosesNoSpeechAndReadsNothingTwice) {
  std::mt19937 random(GetParam());
  const auto uniform = [&] { return static_cast<float>(random() % 1000) / 1000; };
  std::vector<float> p;
  const int longest = GetParam() % 3 == 0 ? 2500 : 200;
  while (p.size() < 20000) {
    const bool speaking = random() % 2 == 0;
    const size_t length = 1 + random() % static_cast<uint32_t>(longest);
    for (size_t i = 0; i < length; ++i) {
      p.push_back(speaking ? 0.3f + 0.7f * uniform() : 0.6f * uniform());
    }
  }
  const CutOptions options;
  const std::vector<SpeechWindow> windows = Cut(p);
  ASSERT_FALSE(windows.empty());
  std::vector<bool> covered(p.size());
  int64_t end = 0;
  for (const SpeechWindow& window : windows) {
    EXPECT_GE(window.frames.begin, end);
    EXPECT_GT(window.frames.size(), 0);
    EXPECT_LE(window.frames.size(), options.max_window);
    EXPECT_FALSE(window.speech.empty());
    for (const FrameRange& speech : window.speech) {
      EXPECT_GE(speech.begin, window.frames.begin);
      EXPECT_LE(speech.end, window.frames.end);
    }
    end = window.frames.end;
    ASSERT_LE(end, static_cast<int64_t>(p.size()));
    std::fill(covered.begin() + window.frames.begin, covered.begin() + end, true);
  }
  for (const FrameRange& speech : Speech(p)) {
    if (speech.size() < options.min_speech) continue;  // begins with the recording's last frames
    for (int64_t i = speech.begin; i < speech.end; ++i) {
      ASSERT_TRUE(covered[static_cast<size_t>(i)]) << "frame " << i;
    }
  }
  // Whatever the pieces are.
  EXPECT_EQ(Ranges(Cut(p, 77)), Ranges(windows));
  EXPECT_EQ(Ranges(Cut(p, p.size())), Ranges(windows));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomCutTest, testing::Range(1u, 13u));

// A tone that comes and goes in noise: `loud` seconds of it, then as many without.
AudioClip Beeps(int seconds, int period, double noise) {
  std::mt19937 random(1);
  std::vector<int16_t> samples;
  for (int i = 0; i < seconds * kSampleRate; ++i) {
    const bool loud = i / (period * kSampleRate) % 2 == 0;
    const double x = (loud ? 6000 * std::sin(i * 0.3) : 0) +
                     noise * (static_cast<double>(random() % 2001) / 1000 - 1);
    samples.push_back(static_cast<int16_t>(x));
  }
  return AudioClip::FromSamples(std::move(samples));
}

TEST(EnergyDetectorTest, HearsWhatRisesOverTheNoise) {
  EnergyDetector detector;
  for (const double noise : {0.0, 30.0, 400.0}) {
    const AudioClip clip = Beeps(40, 4, noise);
    const auto p = detector.Probabilities(clip, 0, clip.num_samples(), {});
    ASSERT_TRUE(p.ok());
    ASSERT_EQ(p->size(), 1250u);
    for (size_t i = 0; i < p->size(); ++i) {
      if (i % 125 == 0 || i % 125 == 124) continue;  // frames that a beep begins or ends in
      EXPECT_EQ((*p)[i] > 0.5f, i / 125 % 2 == 0) << "frame " << i << ", noise " << noise;
    }
  }
}

TEST(EnergyDetectorTest, SteadySoundIsNoSpeech) {
  EnergyDetector detector;
  for (const double noise : {0.0, 3.0, 3000.0}) {
    const AudioClip clip = Beeps(20, 1000, noise);
    std::vector<int16_t> samples(static_cast<size_t>(clip.num_samples()));
    ASSERT_TRUE(clip.Read(0, samples).ok());
    const auto p = detector.Probabilities(clip, 0, clip.num_samples(), {});
    ASSERT_TRUE(p.ok());
    EXPECT_THAT(*p, testing::Each(testing::Lt(0.35f)));
  }
}

TEST(EnergyDetectorTest, AnswersAlikeInParts) {
  EnergyDetector detector;
  const AudioClip clip = Beeps(60, 3, 100);
  const auto whole = detector.Probabilities(clip, 0, clip.num_samples(), {});
  const auto part = detector.Probabilities(clip, 700 * 512, 300 * 512 + 5, {});
  ASSERT_TRUE(whole.ok() && part.ok());
  EXPECT_EQ(*part, std::vector<float>(whole->begin() + 700, whole->begin() + 1001));
  EXPECT_EQ(detector.Probabilities(clip, 5, 512, {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(detector.Probabilities(clip, 0, clip.num_samples() + 1, {}).status().code(),
            StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(detector.Probabilities(clip, 0, 512, stop.get_token()).status().code(),
            StatusCode::kCancelled);
}

std::vector<MelRange> Windows(const AudioClip& clip, std::vector<MelRange> parts) {
  EnergyDetector detector;
  RecordingWindows windows(clip, std::move(parts), 3000);
  std::vector<MelRange> ranges;
  while (true) {
    const auto next = windows.Next(detector, {});
    if (!next.ok() || !*next) return ranges;
    ranges.push_back((*next)->frames);
  }
}

TEST(RecordingWindowsTest, ShortPartsAreWholeAndLongOnesAreCut) {
  const AudioClip clip = Beeps(100, 5, 30);
  EXPECT_THAT(Windows(clip, {{100, 1100}, {1600, 1900}, {2050, 2060}, {500, 500}, {3000, 5000}}),
              ElementsAre(MelRange{100, 1100}, MelRange{2050, 2060}, MelRange{3000, 5000}));
  const std::vector<MelRange> all = Windows(clip, {{0, 10000}});
  ASSERT_GE(all.size(), 4u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_LE(all[i].end - all[i].begin, 3000);
    // Within a frame of where a beep begins or ends, and the padding.
    EXPECT_LE(all[i].begin % 1000 == 0 ? 0 : 1000 - all[i].begin % 1000, 30);
    EXPECT_NEAR(all[i].end % 1000, 526, 30);
  }
}

}  // namespace
}  // namespace tessera
