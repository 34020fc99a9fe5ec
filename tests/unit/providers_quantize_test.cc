// Integers of models: rounding, the form with QuantizeLinear and DequantizeLinear, the record on
// disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "formats/onnx.h"
#include "graph/onnx/export.h"
#include "graph/onnx/step.h"
#include "graph/passes/specialize_dims.h"
#include "providers/quantize/qdq.h"
#include "providers/quantize/round.h"
#include "tests/unit/fixed_samples.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Round, AffineScaleHoldsZero) {
  const AffineScale both = AffineScaleOf({-1, 3}, 8);
  EXPECT_FLOAT_EQ(both.scale, 4.0f / 255);
  EXPECT_EQ(both.zero, 64);
  // Ranges away from 0 are widened to it.
  EXPECT_EQ(AffineScaleOf({2, 3}, 8).zero, 0);
  EXPECT_FLOAT_EQ(AffineScaleOf({2, 3}, 8).scale, 3.0f / 255);
  EXPECT_EQ(AffineScaleOf({-3, -2}, 16).zero, 65535);
  EXPECT_EQ(AffineScaleOf({0, 0}, 16).scale, 1);
  // No overflow on the way.
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(AffineScaleOf({-kMost, kMost}, 8).scale));
}

TEST(Round, ValuesAreRoundedToEvenAndSaturate) {
  const AffineScale scale{.scale = 0.5f, .zero = 10, .least = 0, .largest = 255};
  const float values[] = {0, 0.25f, 0.75f, -5, -5.5f, 1000};
  EXPECT_THAT(QuantizeValues<uint8_t>(values, scale), ElementsAre(10, 10, 12, 0, 0, 255));
  const AffineScale symmetric = SymmetricScaleOf(2, 16);
  const float signed_values[] = {2, -2, 0, -3};
  EXPECT_THAT(QuantizeValues<int16_t>(signed_values, symmetric),
              ElementsAre(32767, -32767, 0, -32767));
}

TEST(Round, ChannelsHaveScalesOfTheirOwn) {
  const float values[] = {1, -2, 4, 100, 50, 0};
  const ChannelWeights rows = QuantizeChannels(values, {2, 3}, 0);
  EXPECT_THAT(rows.scales, ElementsAre(4.0f / 127, 100.0f / 127));
  EXPECT_THAT(rows.elements, ElementsAre(32, -64, 127, 127, 64, 0));
  const ChannelWeights columns = QuantizeChannels(values, {2, 3}, 1);
  EXPECT_THAT(columns.scales, ElementsAre(100.0f / 127, 50.0f / 127, 4.0f / 127));
  EXPECT_THAT(columns.elements, ElementsAre(1, -5, 127, 127, 127, 0));
}

TEST(Round, BiasesSaturate) {
  const float values[] = {1, 1e30f, -1e30f};
  const float one[] = {0.5f};
  EXPECT_THAT(QuantizeBias(values, one), ElementsAre(2, 2147483647, -2147483647));
}

class QuantizeOnnxTest : public ::testing::Test {
 protected:
  ~QuantizeOnnxTest() override { std::filesystem::remove_all(folder_); }

  // The decoder sample as the step form, with made-up ranges for all its values.
  void Load() {
    std::filesystem::create_directories(folder_);
    const std::string path = folder_ + "/model.onnx";
    Graph graph = fixed_test::StepDecoder();
    DimBindings sizes;
    DimBindings all = fixed_test::UnitSizes();
    all["tokens"] = 1;
    for (const std::string& symbol : graph.Symbols()) sizes[symbol] = all.at(symbol);
    ASSERT_TRUE(
        ExportOnnx(
            graph, path,
            {.bind = sizes, .states = OnnxStates::kStep, .gelu = OnnxGelu::kOp, .flush = false})
            .ok());
    ASSERT_TRUE(SpecializeDims(&graph, sizes).ok());
    const auto form = MakeStepForm(graph);
    ASSERT_TRUE(form.ok());
    for (const StepForm::Mask& mask : form->masks) options_.masks.insert(mask.name);
    ASSERT_FALSE(options_.masks.empty());
    auto model = ReadOnnx(path);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_ = std::move(model).value();
    for (const OnnxValueInfo& input : model_.graph.inputs) Add(input.name);
    for (const OnnxNode& node : model_.graph.nodes) Add(node.outputs[0]);
  }
  void Add(std::string_view name) { statistics_.ranges[std::string(name)] = {-2, 3}; }

  const OnnxNode* Producer(std::string_view value) const {
    for (const OnnxNode& node : model_.graph.nodes)
      if (node.outputs[0] == value) return &node;
    return nullptr;
  }
  float ScaleOf(const OnnxNode& node) const {
    float scale;
    std::memcpy(&scale, model_.graph.FindInitializer(node.inputs[1])->data.data(), sizeof(scale));
    return scale;
  }

  const std::string folder_ = TempPath("quantize");
  OnnxModel model_;
  StageStatistics statistics_;
  QdqOptions options_;
};

TEST_F(QuantizeOnnxTest, EveryValueIsStoredInIntegers) {
  ASSERT_NO_FATAL_FAILURE(Load());
  const size_t outputs = model_.graph.outputs.size();
  ASSERT_TRUE(QuantizeOnnx(statistics_, options_, &model_).ok());
  EXPECT_EQ(model_.graph.outputs.size(), outputs);
  int computing = 0, moving = 0;
  for (const OnnxNode& node : model_.graph.nodes) {
    if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") continue;
    ++computing;
    for (const std::string_view input : node.inputs) {
      const OnnxTensor* constant = model_.graph.FindInitializer(input);
      if (constant != nullptr) {
        EXPECT_EQ(OnnxTypeName(constant->type), "int64") << node.name;
        continue;
      }
      ASSERT_NE(Producer(input), nullptr) << node.name << " reads " << input;
      EXPECT_EQ(Producer(input)->op_type, "DequantizeLinear") << node.name;
    }
    if (node.op_type != "Reshape" && node.op_type != "Slice") continue;
    for (const OnnxNode& reader : model_.graph.nodes)
      if (reader.inputs[0] == node.outputs[0]) {
        EXPECT_EQ(ScaleOf(reader), ScaleOf(*Producer(node.inputs[0]))) << node.name;
        ++moving;
      }
  }
  EXPECT_GT(computing, 10);
  EXPECT_GT(moving, 0);
  for (const OnnxValueInfo& output : model_.graph.outputs)
    EXPECT_EQ(Producer(output.name)->op_type, "DequantizeLinear") << output.name;
}

// -30000 in the scale of the scores would leave them a fraction of a step.
TEST_F(QuantizeOnnxTest, MasksEndBelowTheScores) {
  ASSERT_NO_FATAL_FAILURE(Load());
  for (const std::string& mask : options_.masks) statistics_.ranges[mask] = {-30000, 0};
  ASSERT_TRUE(QuantizeOnnx(statistics_, options_, &model_).ok());
  int masks = 0;
  for (const OnnxNode& node : model_.graph.nodes) {
    if (node.op_type != "QuantizeLinear" || !options_.masks.contains(node.inputs[0])) continue;
    // 5 between the ends of the scores, and the distance below them.
    EXPECT_NEAR(ScaleOf(node) * 65535, 5 + kHiddenDistance, 1e-3);
    ++masks;
  }
  EXPECT_EQ(masks, static_cast<int>(options_.masks.size()));
}

// A weight of 0.6 steps is stored as one step; where its input is 10 on average, the output is 4
// steps too high, which the bias takes back.
TEST_F(QuantizeOnnxTest, BiasesTakeTheDriftBack) {
  fixed_test::SampleBuilder s("drift", 1);
  constexpr int64_t kWidth = fixed_test::kWidth;
  const ValueId x = s.b.Input("x", DType::kF32, {1, kWidth});
  Tensor weight = Tensor::Zeros(DType::kF32, {1, kWidth});
  weight.As<float>()[0] = 127;
  weight.As<float>()[1] = 0.6f;
  s.b.Output("y", s.b.Linear("linear", x, s.b.Constant("weight", std::move(weight)),
                             s.b.Constant("bias", Tensor::Zeros(DType::kF32, {1}))));
  const Graph graph = s.Build();
  std::filesystem::create_directories(folder_);
  const std::string path = folder_ + "/model.onnx";
  ASSERT_TRUE(ExportOnnx(graph, path, {.states = OnnxStates::kStep, .flush = false}).ok());
  auto model = ReadOnnx(path);
  ASSERT_TRUE(model.ok());
  StageStatistics statistics;
  statistics.ranges = {{"x", {0, 65.535f}}, {"y", {0, 1}}};
  std::vector<float>& means = statistics.means["x"];
  means.resize(kWidth);
  means[1] = 10;
  ASSERT_TRUE(QuantizeOnnx(statistics, {}, &*model).ok());
  const OnnxTensor* bias = model->graph.FindInitializer("bias/quantized");
  ASSERT_NE(bias, nullptr);
  int32_t steps;
  std::memcpy(&steps, bias->data.data(), sizeof(steps));
  // -0.4 * 10 in steps of 0.001 * 1.
  EXPECT_NEAR(steps, -4000, 1);
}

TEST_F(QuantizeOnnxTest, SaysWhatIsMissing) {
  ASSERT_NO_FATAL_FAILURE(Load());
  const std::string lost(model_.graph.nodes[3].outputs[0]);
  statistics_.ranges.erase(lost);
  const Status status = QuantizeOnnx(statistics_, options_, &model_);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(lost));
}

TEST_F(QuantizeOnnxTest, RefusesOpsWithoutSuchAForm) {
  ASSERT_NO_FATAL_FAILURE(Load());
  model_.graph.nodes[0].op_type = "Erf";
  const Status status = QuantizeOnnx(statistics_, options_, &model_);
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("Erf"));
}

TEST(QuantizationRecord, ComesBack) {
  Quantization quantization{.activation_bits = 8, .stages = {}};
  StageStatistics& stage = quantization.stages["whisper.encoder"];
  stage.ranges["a \"b\""] = {-0.1f, 1e-30f};
  stage.means["x"] = {1.0f / 3, -2};
  const auto read = ParseQuantization(QuantizationToJson(quantization));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(QuantizationToJson(*read), QuantizationToJson(quantization));
  EXPECT_EQ(read->Key(), quantization.Key());
  EXPECT_EQ(read->stages.at("whisper.encoder").means.at("x")[0], 1.0f / 3);
  stage.means["x"][0] = 0.5f;
  EXPECT_NE(read->Key(), quantization.Key());
}

TEST(QuantizationRecord, RefusesWhatItDidNotWrite) {
  const std::string head = R"({"format":1,"activation_bits":16,"stages":)";
  for (const char* text :
       {"", "[]", "{}", R"({"format":2,"activation_bits":16,"stages":{}})",
        R"({"format":1,"activation_bits":12,"stages":{}})", R"({"format":1,"activation_bits":16})",
        R"({"format":1,"activation_bits":16,"stages":[]})"})
    EXPECT_EQ(ParseQuantization(text).status().code(), StatusCode::kDataLoss) << text;
  for (const char* stage :
       {"3", "{}", R"({"ranges":{},"means":[]})", R"({"ranges":{"a":[1]},"means":{}})",
        R"({"ranges":{"a":[2,1]},"means":{}})", R"({"ranges":{"a":["x",1]},"means":{}})",
        R"({"ranges":{"a":[0,1e300]},"means":{}})", R"({"ranges":{},"means":{"x":[]}})",
        R"({"ranges":{},"means":{"x":[null]}})"})
    EXPECT_EQ(ParseQuantization(head + "{\"s\":" + stage + "}}").status().code(),
              StatusCode::kDataLoss)
        << stage;
}

}  // namespace
}  // namespace tessera
