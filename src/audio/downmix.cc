#include "audio/downmix.h"

#include <algorithm>
#include <bit>
#include <numbers>
#include <numeric>

namespace tessera {

std::vector<Speaker> DefaultSpeakers(int channels) {
  using enum Speaker;
  switch (channels) {
    case 1:
      return {kFrontCenter};
    case 2:
      return {kFrontLeft, kFrontRight};
    case 3:
      return {kFrontLeft, kFrontRight, kLowFrequency};
    case 4:
      return {kFrontLeft, kFrontRight, kFrontCenter, kBackCenter};
    case 5:
      return {kFrontLeft, kFrontRight, kFrontCenter, kBackLeft, kBackRight};
    case 6:
      return {kFrontLeft, kFrontRight, kFrontCenter, kLowFrequency, kBackLeft, kBackRight};
    case 7:
      return {kFrontLeft,  kFrontRight, kFrontCenter, kLowFrequency,
              kBackCenter, kSideLeft,   kSideRight};
    case 8:
      return {kFrontLeft, kFrontRight, kFrontCenter, kLowFrequency,
              kBackLeft,  kBackRight,  kSideLeft,    kSideRight};
    default:
      return std::vector<Speaker>(static_cast<size_t>(std::max(channels, 0)), kOther);
  }
}

std::vector<Speaker> SpeakersOfMask(uint32_t mask, int channels) {
  if (std::popcount(mask) != channels) return DefaultSpeakers(channels);
  std::vector<Speaker> speakers;
  for (int bit = 0; bit < 32; ++bit) {
    if ((mask >> bit & 1) != 0) {
      speakers.push_back(static_cast<Speaker>(std::min(bit, static_cast<int>(Speaker::kOther))));
    }
  }
  return speakers;
}

std::vector<double> MonoWeights(const std::vector<Speaker>& speakers) {
  const bool has_sides = std::count(speakers.begin(), speakers.end(), Speaker::kFrontLeft) +
                             std::count(speakers.begin(), speakers.end(), Speaker::kFrontRight) >
                         0;
  std::vector<double> weights;
  for (const Speaker speaker : speakers) {
    switch (speaker) {
      case Speaker::kFrontLeft:
      case Speaker::kFrontRight:
      case Speaker::kFrontLeftOfCenter:
      case Speaker::kFrontRightOfCenter:
        weights.push_back(std::numbers::sqrt2 / 2);
        break;
      case Speaker::kFrontCenter:
        // The centre level (-3 dB) times sqrt(2) where left and right share its place.
        weights.push_back(has_sides ? std::numbers::sqrt2 * (std::numbers::sqrt2 / 2) : 1.0);
        break;
      case Speaker::kBackLeft:
      case Speaker::kBackRight:
      case Speaker::kSideLeft:
      case Speaker::kSideRight:
      case Speaker::kBackCenter:
        weights.push_back(0.5);
        break;
      case Speaker::kLowFrequency:
      case Speaker::kOther:
        weights.push_back(0.0);
        break;
    }
  }
  double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (sum == 0) {
    std::fill(weights.begin(), weights.end(), 1.0);
    sum = static_cast<double>(weights.size());
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace tessera
