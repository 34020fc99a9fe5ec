// Quantized models: what of their node units a compiler refuses, and what it computes wrongly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "doctor/analysis.h"
#include "doctor/op_database.h"
#include "doctor/quantized.h"

namespace tessera::doctor {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr OnnxType kU8 = 2, kI8 = 3, kU16 = 4, kI32 = 6;

// Builds models of com.microsoft's quantization nodes; keeps what they point to.
class Builder {
 public:
  Builder() {
    model.ir_version = 8;
    model.opsets[""] = 17;
    model.opsets["com.microsoft"] = 1;
  }

  std::string_view Constant(OnnxType type, size_t width, Shape shape, float scale = 0) {
    std::string& bytes = texts_.emplace_back(static_cast<size_t>(NumElements(shape)) * width, '\0');
    for (size_t i = 0; type == 1 && i < bytes.size(); i += sizeof(scale))
      std::copy_n(reinterpret_cast<const char*>(&scale), sizeof(scale), bytes.data() + i);
    OnnxTensor tensor;
    tensor.name = Name();
    tensor.type = type;
    tensor.shape = std::move(shape);
    tensor.data = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
    model.graph.initializers[tensor.name] = tensor;
    return tensor.name;
  }
  std::string_view Node(std::string_view op, std::vector<std::string_view> inputs,
                        std::string_view domain = "") {
    OnnxNode node;
    node.name = node.op_type = op;
    node.domain = domain;
    node.inputs = std::move(inputs);
    node.outputs = {Name()};
    model.graph.nodes.push_back(node);
    return node.outputs[0];
  }
  std::string_view Coded(std::string_view op, std::string_view x, OnnxType type, size_t width,
                         float scale) {
    return Node(op, {x, Constant(1, 4, {}, scale), Constant(type, width, {})}, "com.microsoft");
  }
  // A computed input: float [4, 4] through QuantizeLinear and DequantizeLinear.
  std::string_view Input(OnnxType type, size_t width, float scale) {
    OnnxValueInfo info;
    info.name = Name();
    info.type = 1;
    info.dims = std::vector<OnnxDim>{{4, {}}, {4, {}}};
    model.graph.inputs.push_back(info);
    const std::string_view coded = Coded("QuantizeLinear", info.name, type, width, scale);
    return Coded("DequantizeLinear", coded, type, width, scale);
  }
  std::string_view Weight(OnnxType type, size_t width, Shape shape, float scale) {
    return Coded("DequantizeLinear", Constant(type, width, std::move(shape)), type, width, scale);
  }
  void Output(std::string_view x, OnnxType type, size_t width, float scale) {
    OnnxValueInfo info;
    info.name = Coded("QuantizeLinear", x, type, width, scale);
    info.type = type;
    model.graph.outputs.push_back(info);
  }

  OnnxModel model;

 private:
  std::string_view Name() { return texts_.emplace_back("v" + std::to_string(texts_.size())); }
  std::list<std::string> texts_;
};

TargetReport Examine(Builder& builder, const std::string& target = "snapdragon-x") {
  AnalysisOptions options;
  options.database = &*OpDatabase::BuiltIn();
  auto report = Analyze(builder.model, "model", *ParseTarget(target), options);
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  return report->targets[0];
}

std::vector<std::string> Rules(const TargetReport& report) {
  std::vector<std::string> rules;
  for (const ModelFinding& finding : report.findings) rules.push_back(finding.rule);
  return rules;
}

const NodeVerdict& VerdictOf(const TargetReport& report, const std::string& op) {
  const auto it = std::find_if(report.nodes.begin(), report.nodes.end(),
                               [&](const NodeReport& node) { return node.op == op; });
  EXPECT_NE(it, report.nodes.end());
  return it->verdict;
}

std::vector<std::string> RulesOfGemm(float bias_scale) {
  Builder b;
  const auto sum = b.Node("Gemm", {b.Input(kU8, 1, 0.5f), b.Weight(kI8, 1, {4, 4}, 0.25f),
                                   b.Weight(kI32, 4, {4}, bias_scale)});
  b.Output(sum, kU8, 1, 1);
  return Rules(Examine(b));
}

TEST(DoctorQuantized, ABiasHasTheScaleOfTheProducts) {
  EXPECT_THAT(RulesOfGemm(0.125f), IsEmpty());
  EXPECT_THAT(RulesOfGemm(0.25f), ::testing::ElementsAre("Q1.bias-scale"));
}

std::vector<std::string> RulesOfTranspose(float scale_behind, const std::string& target) {
  Builder b;
  b.Output(b.Node("Transpose", {b.Input(kU16, 2, 0.5f)}), kU16, 2, scale_behind);
  return Rules(Examine(b, target));
}

TEST(DoctorQuantized, ATransposeKeepsItsScale) {
  EXPECT_THAT(RulesOfTranspose(0.5f, "snapdragon-x"), IsEmpty());
  EXPECT_THAT(RulesOfTranspose(0.25f, "snapdragon-x"), ::testing::ElementsAre("Q1.mover-scale"));
  EXPECT_THAT(RulesOfTranspose(0.25f, "intel-npu"), IsEmpty());
}

TEST(DoctorQuantized, ScalesAreFiniteAndNotZero) {
  Builder b;
  b.Output(b.Node("Relu", {b.Input(kU8, 1, 0.0f)}), kU8, 1, 1);
  EXPECT_THAT(Rules(Examine(b)), ::testing::ElementsAre("R7.scale"));
}

Verdict VerdictOfNorm(OnnxType gamma) {
  Builder b;
  const auto x = b.Input(kU8, 1, 0.5f);
  b.Output(b.Node("LayerNormalization",
                  {x, b.Weight(gamma, 1, {4}, 0.25f), b.Weight(kI32, 4, {4}, 0.125f)}),
           kU8, 1, 1);
  return VerdictOf(Examine(b), "LayerNormalization").verdict;
}

TEST(DoctorQuantized, ANormWantsItsFactorWithoutSign) {
  EXPECT_EQ(VerdictOfNorm(kU8), Verdict::kSupported);
  EXPECT_EQ(VerdictOfNorm(kI8), Verdict::kPartial);
}

TEST(DoctorQuantized, UnitsAreLookedUpByTheirIntegerTypes) {
  Builder b;
  b.Output(b.Node("Add", {b.Input(kU16, 2, 0.5f), b.Input(kU16, 2, 0.5f)}), kU16, 2, 1);
  const TargetReport report = Examine(b);
  const NodeVerdict& verdict = VerdictOf(report, "Add");
  EXPECT_EQ(verdict.tier, EvidenceTier::kMeasuredDb);
  EXPECT_THAT(verdict.reason, HasSubstr("input 1 quantized as UINT16"));
  EXPECT_THAT(Rules(report), IsEmpty());
}

TEST(DoctorQuantized, AProductOfTwoComputedOperandsIsRounded) {
  Builder computed;
  const auto x = computed.Input(kU16, 2, 0.5f);
  computed.Output(computed.Node("MatMul", {x, computed.Input(kU16, 2, 0.5f)}), kU16, 2, 1);
  EXPECT_THAT(Rules(Examine(computed)), ::testing::ElementsAre("Q1.second-operand"));
  Builder weight;
  const auto y = weight.Input(kU16, 2, 0.5f);
  weight.Output(weight.Node("MatMul", {y, weight.Weight(kU16, 2, {4, 4}, 0.25f)}), kU16, 2, 1);
  EXPECT_THAT(Rules(Examine(weight)), IsEmpty());
}

TEST(DoctorQuantized, AUnitEndsWhereAnotherReads) {
  Builder b;
  const auto x = b.Input(kU8, 1, 0.5f);
  const auto y = b.Node("Relu", {x});
  b.Output(y, kU8, 1, 1);
  EXPECT_NE(QuantizedUnits(b.model.graph).Quantize(y), nullptr);
  EXPECT_NE(QuantizedUnits(b.model.graph).Dequantize(x), nullptr);
  b.Node("Sqrt", {y});
  EXPECT_EQ(QuantizedUnits(b.model.graph).Quantize(y), nullptr);
}

}  // namespace
}  // namespace tessera::doctor
