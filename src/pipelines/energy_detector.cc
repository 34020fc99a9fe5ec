#include "pipelines/energy_detector.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/check.h"

namespace tessera {
namespace {

constexpr int64_t kFrame = SpeechDetector::kFrameSamples;
constexpr int64_t kReach = 312;  // frames on either side that a frame is held against: 10 s
constexpr int64_t kReadFrames = 1024;

// Levels are whole decibels above the loudness of one 16-bit step, 0..kMaxLevel.
constexpr int kMaxLevel = 96;
constexpr int kSilentLevel = 22;  // quieter than any recorded speech: -74 dB of full scale
constexpr int kMinRise = 6;       // dB above the floor where speech may begin
constexpr int kMaxRise = 14;
constexpr double kSlope = 0.7;  // of the logistic curve, a dB

int Level(std::span<const int16_t> frame) {
  double energy = 0;
  for (const int16_t x : frame) energy += static_cast<double>(x) * x;
  const double level = 10 * std::log10(energy / static_cast<double>(kFrame) + 1);
  return std::clamp(static_cast<int>(std::lround(level)), 0, kMaxLevel);
}

// Counts of the levels within reach.
class Histogram {
 public:
  void Add(int level) { ++counts_[static_cast<size_t>(level)], ++total_; }
  void Remove(int level) { --counts_[static_cast<size_t>(level)], --total_; }
  // The lowest level that `percent` of the frames do not exceed.
  int Percentile(int64_t percent) const {
    int64_t sum = 0;
    int level = 0;
    for (; level < kMaxLevel; ++level) {
      sum += counts_[static_cast<size_t>(level)];
      if (sum * 100 >= total_ * percent) break;
    }
    return level;
  }

 private:
  std::array<int64_t, kMaxLevel + 1> counts_{};
  int64_t total_ = 0;
};

}  // namespace

Result<std::vector<float>> EnergyDetector::Probabilities(const AudioClip& clip,
                                                         int64_t begin_sample, int64_t count,
                                                         std::stop_token stop) {
  if (begin_sample < 0 || count < 0 || begin_sample % kFrame != 0 ||
      begin_sample > clip.num_samples() || count > clip.num_samples() - begin_sample) {
    return InvalidArgument("speech detection: samples " + std::to_string(begin_sample) + " + " +
                           std::to_string(count) + " are no frames of a recording of " +
                           std::to_string(clip.num_samples()));
  }
  const int64_t begin = begin_sample / kFrame;
  const int64_t end = begin + (count + kFrame - 1) / kFrame;
  // The frames that decide, inside the recording.
  const int64_t first = std::max<int64_t>(0, begin - kReach);
  const int64_t last = std::min((clip.num_samples() + kFrame - 1) / kFrame, end + kReach);
  std::vector<int> levels;
  levels.reserve(static_cast<size_t>(last - first));
  std::vector<int16_t> samples;
  for (int64_t frame = first; frame < last; frame += kReadFrames) {
    if (stop.stop_requested()) return Cancelled("a stop was requested");
    const int64_t frames = std::min(kReadFrames, last - frame);
    const int64_t size = std::min(frames * kFrame, clip.num_samples() - frame * kFrame);
    samples.assign(static_cast<size_t>(frames * kFrame), 0);
    TESSERA_RETURN_IF_ERROR(
        clip.Read(frame * kFrame, std::span(samples).first(static_cast<size_t>(size))));
    for (int64_t i = 0; i < frames; ++i) {
      levels.push_back(Level(std::span(samples).subspan(static_cast<size_t>(i * kFrame), kFrame)));
    }
  }

  const auto level = [&](int64_t frame) { return levels[static_cast<size_t>(frame - first)]; };
  Histogram around;
  for (int64_t frame = first; frame < std::min(last, begin + kReach); ++frame) {
    around.Add(level(frame));
  }
  std::vector<float> probabilities;
  for (int64_t frame = begin; frame < end; ++frame) {
    if (frame + kReach < last) around.Add(level(frame + kReach));
    if (frame - kReach - 1 >= first) around.Remove(level(frame - kReach - 1));
    const int floor = around.Percentile(10);
    const int rise = std::clamp((around.Percentile(95) - floor) * 3 / 10, kMinRise, kMaxRise);
    const double threshold = std::max(floor + rise, kSilentLevel);
    probabilities.push_back(
        static_cast<float>(1 / (1 + std::exp(-kSlope * (level(frame) - threshold)))));
  }
  return probabilities;
}

}  // namespace tessera
