// Floats to integers of a scale.
//
// Plain IEEE operations in a fixed order, so that every machine makes the same bytes of the same
// model: what was compiled on one is found by its checksum on another.
#ifndef TESSERA_PROVIDERS_QUANTIZE_ROUND_H_
#define TESSERA_PROVIDERS_QUANTIZE_ROUND_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "providers/quantize/quantization.h"
#include "tensor/tensor.h"

namespace tessera {

// x = (q - zero) * scale, q in least .. largest.
struct AffineScale {
  float scale = 1;
  int64_t zero = 0;
  int64_t least = 0, largest = 0;
};

// The range is widened to hold 0, which has a q of its own. A range of 0 alone has scale 1.
AffineScale AffineScaleOf(ValueRange range, int bits);
// For -most .. most, with zero at 0.
AffineScale SymmetricScaleOf(float most, int bits);

// Ties to even, saturated.
template <typename T>
std::vector<T> QuantizeValues(std::span<const float> values, const AffineScale& scale) {
  std::vector<T> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const float q = std::nearbyint(values[i] / scale.scale) + static_cast<float>(scale.zero);
    out[i] = static_cast<T>(
        std::clamp(q, static_cast<float>(scale.least), static_cast<float>(scale.largest)));
  }
  return out;
}

// -127 .. 127 with a scale for each index of one dimension. A channel of zeros has scale 1.
struct ChannelWeights {
  std::vector<int8_t> elements;  // in the order of the data
  std::vector<float> scales;
};
// `values` of `shape`, row-major; 0 <= axis < rank. Weights that are not finite count as 0.
ChannelWeights QuantizeChannels(std::span<const float> values, const Shape& shape, int64_t axis);

// With one scale, or one for each value; saturated.
std::vector<int32_t> QuantizeBias(std::span<const float> values, std::span<const float> scales);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_QUANTIZE_ROUND_H_
