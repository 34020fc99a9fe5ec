#include "providers/quantize/round.h"

namespace tessera {
namespace {

// Smallest scale: the reciprocal stays finite.
constexpr float kLeastScale = 1e-30f;
constexpr int kLargestWeight = 127;

}  // namespace

AffineScale AffineScaleOf(ValueRange range, int bits) {
  range.Include({0, 0});
  AffineScale scale;
  scale.largest = (int64_t{1} << bits) - 1;
  const float step =
      range.max / static_cast<float>(scale.largest) - range.min / static_cast<float>(scale.largest);
  if (step < kLeastScale) return scale;
  scale.scale = step;
  scale.zero = std::clamp(static_cast<int64_t>(std::nearbyint(-range.min / step)), int64_t{0},
                          scale.largest);
  return scale;
}

AffineScale SymmetricScaleOf(float most, int bits) {
  AffineScale scale;
  scale.largest = (int64_t{1} << (bits - 1)) - 1;
  scale.least = -scale.largest;
  scale.scale = most / static_cast<float>(scale.largest);
  if (scale.scale < kLeastScale) scale.scale = 1;
  return scale;
}

ChannelWeights QuantizeChannels(std::span<const float> values, const Shape& shape, int64_t axis) {
  const int64_t channels = shape[static_cast<size_t>(axis)];
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  std::vector<float> largest(static_cast<size_t>(channels), 0.0f);
  const auto channel_of = [&](size_t i) {
    return static_cast<size_t>((static_cast<int64_t>(i) / inner) % channels);
  };
  const auto finite = [](float x) { return std::isfinite(x) ? x : 0.0f; };
  for (size_t i = 0; i < values.size(); ++i) {
    float& most = largest[channel_of(i)];
    most = std::max(most, std::abs(finite(values[i])));
  }
  ChannelWeights out{std::vector<int8_t>(values.size()), std::move(largest)};
  for (float& scale : out.scales) {
    scale /= kLargestWeight;
    if (scale < kLeastScale) scale = 1;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const float q = std::nearbyint(finite(values[i]) / out.scales[channel_of(i)]);
    out.elements[i] = static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
  }
  return out;
}

std::vector<int32_t> QuantizeBias(std::span<const float> values, std::span<const float> scales) {
  std::vector<int32_t> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double q = std::nearbyint(double{values[i]} / double{scales[scales.size() == 1 ? 0 : i]});
    out[i] =
        std::isfinite(q) ? static_cast<int32_t>(std::clamp(q, -2147483647.0, 2147483647.0)) : 0;
  }
  return out;
}

}  // namespace tessera
