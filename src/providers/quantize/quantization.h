// Quantization: how a model's stages are written with 8-bit weights and 8- or 16-bit activations.
//
// An activation x is stored as round(x / scale) + zero_point, with one scale for a value of the
// graph, which its range on recordings or texts like the user's decides. What the rounding of
// weights adds to a layer's output on average is taken off its bias, for which the mean of each
// column of its input is known. `tessera compile` observes both once (observer.h) and keeps them as
// JSON beside what it compiled, so that the machine that runs it writes the same model. Plain
// values; thread-safe.
#ifndef TESSERA_PROVIDERS_QUANTIZE_QUANTIZATION_H_
#define TESSERA_PROVIDERS_QUANTIZE_QUANTIZATION_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct ValueRange {
  float min = 0, max = 0;

  void Include(const ValueRange& other);
};

// What a stage's values were like, by their names in the stage's ONNX model. All numbers are
// finite.
struct StageStatistics {
  std::map<std::string, ValueRange, std::less<>> ranges;  // min <= max
  // Of values that are multiplied by weights: the mean of each column.
  std::map<std::string, std::vector<float>, std::less<>> means;
};

struct Quantization {
  int activation_bits = 16;                                    // 8 or 16
  std::map<std::string, StageStatistics, std::less<>> stages;  // by name: "whisper.encoder"

  // "a16w8", "a8w8".
  std::string Name() const;
  // The name and a hash of all numbers, for caches.
  std::string Key() const;
};

// File in the folder of a compiled model that holds it.
inline constexpr char kQuantizationFile[] = "quantization.json";

std::string QuantizationToJson(const Quantization& quantization);
// kDataLoss for anything but what QuantizationToJson wrote.
Result<Quantization> ParseQuantization(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_QUANTIZE_QUANTIZATION_H_
