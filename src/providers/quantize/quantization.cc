#include "providers/quantize/quantization.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/checksum.h"
#include "formats/json.h"
#include "formats/onnx.h"

namespace tessera {
namespace {

constexpr int kFormat = 1;
using Json = nlohmann::ordered_json;

// The numbers of an array; empty for anything else.
std::vector<float> Numbers(const nlohmann::json& array) {
  std::vector<float> numbers;
  if (!array.is_array()) return numbers;
  for (const auto& number : array) {
    if (!number.is_number() || !std::isfinite(number.get<float>())) return {};
    numbers.push_back(number.get<float>());
  }
  return numbers;
}

Result<StageStatistics> ParseStage(const nlohmann::json& json) {
  const auto member = [&](const char* name) {
    const auto it = json.is_object() ? json.find(name) : json.end();
    return json.is_object() && it != json.end() ? *it : nlohmann::json();
  };
  const nlohmann::json ranges = member("ranges"), means = member("means");
  if (!ranges.is_object() || !means.is_object())
    return DataLoss("expected ranges and means by name");
  StageStatistics stage;
  for (const auto& [name, ends] : ranges.items()) {
    const std::vector<float> numbers = Numbers(ends);
    if (numbers.size() != 2 || numbers[0] > numbers[1])
      return DataLoss("the range of " + QuotedName(name) + ": expected [least, largest]");
    stage.ranges[name] = {numbers[0], numbers[1]};
  }
  for (const auto& [name, columns] : means.items()) {
    std::vector<float> numbers = Numbers(columns);
    if (numbers.empty()) return DataLoss("the means of " + QuotedName(name) + ": expected numbers");
    stage.means[name] = std::move(numbers);
  }
  return stage;
}

}  // namespace

void ValueRange::Include(const ValueRange& other) {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

std::string Quantization::Name() const { return "a" + std::to_string(activation_bits) + "w8"; }

std::string Quantization::Key() const {
  const std::string numbers = QuantizationToJson(*this);
  return Name() + "-" + Hex(Checksum64(AsBytes(numbers)));
}

std::string QuantizationToJson(const Quantization& quantization) {
  Json stages = Json::object();
  for (const auto& [name, stage] : quantization.stages) {
    Json ranges = Json::object(), means = Json::object();
    for (const auto& [value, range] : stage.ranges) ranges[value] = {range.min, range.max};
    for (const auto& [value, columns] : stage.means) means[value] = columns;
    stages[name] = Json{{"ranges", std::move(ranges)}, {"means", std::move(means)}};
  }
  return Json{{"format", kFormat},
              {"activation_bits", quantization.activation_bits},
              {"stages", std::move(stages)}}
             .dump() +
         "\n";
}

Result<Quantization> ParseQuantization(std::string_view text) {
  TESSERA_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(text));
  if (!json.is_object() || json.value("format", nlohmann::json()) != kFormat)
    return DataLoss("expected a quantization of format " + std::to_string(kFormat));
  const nlohmann::json bits = json.value("activation_bits", nlohmann::json());
  if (bits != 8 && bits != 16)
    return DataLoss("activation_bits: expected 8 or 16, found " + bits.dump());
  const auto stages = json.find("stages");
  if (stages == json.end() || !stages->is_object()) return DataLoss("expected stages");
  Quantization quantization{.activation_bits = bits.get<int>(), .stages = {}};
  for (const auto& [name, stage] : stages->items()) {
    Result<StageStatistics> parsed = ParseStage(stage);
    if (!parsed.ok()) return std::move(parsed).status().AddContext("stage " + QuotedName(name));
    quantization.stages[name] = std::move(parsed).value();
  }
  return quantization;
}

}  // namespace tessera
