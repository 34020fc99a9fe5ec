// Text encoders imported from ONNX files of many exporters compute what ONNX Runtime does with the
// files (tools/golden/onnx_text_encoders.py), and other files are refused with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/protobuf_wire.h"
#include "formats/json.h"
#include "graph/interpreter.h"
#include "models/bert/import_onnx.h"
#include "models/bert/stages.h"

namespace tessera {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/onnx/";

const json& Golden() {
  static const json golden = [] {
    auto parsed = ParseJsonFile(kGolden + "text_encoders.json", 8, 4 << 20);
    EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
    return parsed.ok() ? *parsed : json();
  }();
  return golden;
}

std::vector<float> Floats(const std::string& hex) {
  std::vector<float> values(hex.size() / 8);
  auto* bytes = reinterpret_cast<uint8_t*>(values.data());
  for (size_t i = 0; i < hex.size() / 2; ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return values;
}

View I32(const std::vector<int32_t>& values) {
  return {values.data(), DType::kI32, {static_cast<int64_t>(values.size())}};
}

// Hidden states of all texts in one ragged run of the reference interpreter.
Result<Tensor> HiddenOf(const BertFiles& files, const json& texts) {
  std::vector<int32_t> ids, positions, offsets = {0};
  for (const json& text : texts) {
    for (const json& id : text) {
      positions.push_back(static_cast<int32_t>(files.config.position_offset) +
                          static_cast<int32_t>(ids.size()) - offsets.back());
      ids.push_back(id.get<int32_t>());
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  TESSERA_ASSIGN_OR_RETURN(const Graph graph, BuildBertEncoder(files.config, files.weights));
  TESSERA_ASSIGN_OR_RETURN(
      auto outputs,
      Interpret(graph,
                {{"ids", I32(ids)}, {"positions", I32(positions)}, {"offsets", I32(offsets)}},
                nullptr));
  return std::move(outputs.at("hidden"));
}

TEST(BertOnnx, EveryExportComputesWhatOnnxRuntimeDoes) {
  const json& models = Golden()["models"];
  ASSERT_GE(models.size(), 15u);
  for (const auto& [name, golden] : models.items()) {
    SCOPED_TRACE(name);
    auto files = LoadBertOnnx(kGolden + name + ".onnx");
    EXPECT_TRUE(files.ok()) << files.status().ToString();
    if (!files.ok()) continue;
    auto hidden = HiddenOf(*files, golden["texts"]);
    ASSERT_TRUE(hidden.ok()) << hidden.status().ToString();
    std::vector<float> expected;
    for (const json& text : golden["hidden"]) {
      const std::vector<float> rows = Floats(text.get<std::string>());
      expected.insert(expected.end(), rows.begin(), rows.end());
    }
    ASSERT_EQ(hidden->size(), static_cast<int64_t>(expected.size()));
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(double{hidden->As<float>()[i]} - expected[i]));
    }
    // Hidden states are of size 1. ONNX Runtime computes in f32, with an erf of its own, and in f16
    // for the f16 file.
    EXPECT_LT(worst, name == "ort_f16" ? 2e-2 : 3e-5);
  }
}

}  // namespace
}  // namespace tessera
