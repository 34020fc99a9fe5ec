// Rules of quantized models. Each of Q1 was seen with Qualcomm's compiler (onnxruntime-qnn 2.7.0,
// soc_model 60): what it refuses, and what it takes and computes other numbers with than ONNX says.
#include <algorithm>
#include <array>
#include <cmath>

#include "doctor/infer_context.h"
#include "doctor/quantized.h"
#include "doctor/rules.h"

namespace tessera::doctor {
namespace {

constexpr OnnxType kU8 = 2, kI8 = 3, kU16 = 4, kI16 = 5, kI32 = 6;
constexpr double kScaleTolerance = 0.01;  // relative; scales are written in float

bool Is8Bit(OnnxType type) { return type == kU8 || type == kI8; }
bool Is16Bit(OnnxType type) { return type == kU16 || type == kI16; }

// Findings of one kind: how many, and the first.
struct Tally {
  const char* rule;
  Severity severity;
  const char* what;
  const char* remedy;
  size_t count = 0;
  std::string first;

  void Add(const OnnxNode& node) {
    if (count++ == 0) first = QuotedName(node.name);
  }
  void Report(std::vector<ModelFinding>& out) const {
    if (count == 0) return;
    out.push_back({rule, severity, std::to_string(count) + what + ", first " + first, remedy});
  }
};

int64_t AxisOf(const OnnxNode& node) {
  const OnnxAttribute* axis = node.FindAttribute("axis");
  return axis != nullptr && axis->type == 2 ? axis->i : 1;
}

bool IsSet(const OnnxNode& node, std::string_view attribute) {
  const OnnxAttribute* a = node.FindAttribute(attribute);
  return a != nullptr && a->type == 2 && a->i != 0;
}

// Quantization nodes by themselves.
void JudgeNodes(const ModelFacts& facts, std::vector<ModelFinding>& out) {
  Tally scale{"R7.scale", Severity::kError,
              " quantization nodes have a scale that is zero, negative or not finite",
              "calibrate again with data that reaches these values"};
  Tally zero{"R7.zero-point", Severity::kError,
             " quantization nodes have a zero point of another type than their data",
             "quantize again"};
  Tally computed{"R7.constant-scale", Severity::kWarning,
                 " quantization nodes have a scale that is computed at run time",
                 "use static quantization with calibration data"};
  for (const OnnxNode& node : facts.model->graph.nodes) {
    if ((!IsQuantize(node) && !IsDequantize(node)) || node.inputs.size() < 2) continue;
    if (!facts.inference->Find(node.inputs[1]).constant) computed.Add(node);
    const std::vector<double> scales = ScalesOf(node, *facts.inference);
    if (!std::all_of(scales.begin(), scales.end(),
                     [](double s) { return std::isfinite(s) && s > 0; })) {
      scale.Add(node);
    }
    if (node.inputs.size() < 3 || node.inputs[2].empty()) continue;
    const OnnxType type = facts.inference->Find(node.inputs[2]).type;
    const OnnxType stored = QuantizedType(node, *facts.inference);
    if (type != 0 && stored != 0 && type != stored) zero.Add(node);
  }
  for (const Tally* tally : {&scale, &zero, &computed}) tally->Report(out);
}

// The bias of a matrix product is added to its sums: its scale is that of the products.
bool BiasScaleDiffers(const OnnxNode& node, const QuantizedUnits& units,
                      const Inference& inference) {
  const bool has_bias = (node.Is("Gemm") || node.Is("Conv")) && node.inputs.size() > 2;
  if (!has_bias) return false;
  std::array<std::vector<double>, 3> scales;
  for (size_t i = 0; i < 3; ++i) {
    const OnnxNode* dequantize = units.Dequantize(node.inputs[i]);
    if (dequantize == nullptr) return false;
    if (i == 2 && QuantizedType(*dequantize, inference) != kI32) return false;
    scales[i] = ScalesOf(*dequantize, inference);
  }
  const auto& [x, weight, bias] = scales;
  if (x.size() != 1 || weight.empty() || bias.empty()) return false;
  for (size_t i = 0; i < std::max(weight.size(), bias.size()); ++i) {
    if (i >= weight.size() && weight.size() != 1) return true;
    if (i >= bias.size() && bias.size() != 1) return true;
    const double product = x[0] * weight[weight.size() == 1 ? 0 : i];
    const double of_bias = bias[bias.size() == 1 ? 0 : i];
    if (std::fabs(of_bias - product) > kScaleTolerance * product) return true;
  }
  return false;
}

// One scale a row of what is summed over.
bool ScalesAlongSum(const OnnxNode& node, const QuantizedUnits& units, const Inference& inference) {
  if ((!node.Is("MatMul") && !node.Is("Gemm")) || node.inputs.size() < 2) return false;
  const OnnxNode* weight = units.Dequantize(node.inputs[1]);
  if (weight == nullptr || ScalesOf(*weight, inference).size() < 2) return false;
  const ValueFacts& facts = inference.Find(node.inputs[1]);
  if (!facts.shape || facts.shape->size() < 2) return false;
  const size_t rank = facts.shape->size();
  const std::optional<size_t> axis = NormalAxis(AxisOf(*weight), rank);
  const bool transposed = node.Is("Gemm") && IsSet(node, "transB");
  return axis && *axis != (transposed ? rank - 2 : rank - 1);
}

bool MovesBetweenScales(const OnnxNode& node, const QuantizedUnits& units,
                        const Inference& inference) {
  if (!node.Is("Transpose") || node.inputs.empty() || node.outputs.empty()) return false;
  const OnnxNode* from = units.Dequantize(node.inputs[0]);
  const OnnxNode* to = units.Quantize(node.outputs[0]);
  if (from == nullptr || to == nullptr) return false;
  const auto zero_of = [&](const OnnxNode& q) -> std::optional<int64_t> {
    if (q.inputs.size() < 3 || q.inputs[2].empty()) return 0;
    const auto& elements = inference.Find(q.inputs[2]).elements;
    if (elements == nullptr || elements->size() != 1 || !(*elements)[0].is_int())
      return std::nullopt;
    return (*elements)[0].value();
  };
  return ScalesOf(*from, inference) != ScalesOf(*to, inference) || zero_of(*from) != zero_of(*to);
}

// Both operands computed, in 16 bits without sign.
bool RoundsSecondOperand(const OnnxNode& node, const QuantizedUnits& units,
                         const Inference& inference) {
  if (!node.Is("MatMul") || node.inputs.size() < 2) return false;
  for (const size_t i : {0, 1}) {
    const OnnxNode* from = units.Dequantize(node.inputs[i]);
    if (from == nullptr || QuantizedType(*from, inference) != kU16 ||
        inference.Find(node.inputs[i]).constant) {
      return false;
    }
  }
  return true;
}

// What the compiler takes, and computes other numbers with.
void JudgeUnits(const ModelFacts& facts, std::vector<ModelFinding>& out) {
  Tally bias{"Q1.bias-scale", Severity::kError,
             " biases have another scale than the product of their input's and weight's, which the "
             "compiler takes and computes wrong results with",
             "quantize the bias as int32 with scale = input scale * weight scale"};
  Tally along{"Q1.channel-axis", Severity::kError,
              " weights have one scale for each row that is summed over, which the compiler takes "
              "and computes wrong results with",
              "one scale for each output: axis 1 of MatMul's [k, n], axis 0 of Gemm's [n, k]"};
  Tally moved{"Q1.mover-scale", Severity::kError,
              " Transposes have another scale or zero point behind them than before, which the "
              "compiler takes and ignores",
              "give what only moves data the same scale and zero point on both sides"};
  Tally rounded{"Q1.second-operand", Severity::kWarning,
                " MatMuls of two computed uint16 operands: the second is rounded to 8 bits inside",
                "requantize the second operand to int16 (zero point 0): DequantizeLinear, "
                "QuantizeLinear to int16, DequantizeLinear before it"};
  const QuantizedUnits units(facts.model->graph);
  for (const OnnxNode& node : facts.model->graph.nodes) {
    if (BiasScaleDiffers(node, units, *facts.inference)) bias.Add(node);
    if (ScalesAlongSum(node, units, *facts.inference)) along.Add(node);
    if (MovesBetweenScales(node, units, *facts.inference)) moved.Add(node);
    if (RoundsSecondOperand(node, units, *facts.inference)) rounded.Add(node);
  }
  for (const Tally* tally : {&bias, &along, &moved, &rounded}) tally->Report(out);
}

NodeVerdict Refused(const Target& target, std::string words, std::string remedy) {
  return {Verdict::kPartial, EvidenceTier::kVendorDoc, "", target.provider + ": " + words,
          std::move(remedy)};
}

}  // namespace

void JudgeQuantization(const ModelFacts& facts, const Target& target,
                       std::vector<ModelFinding>& out) {
  JudgeNodes(facts, out);
  if (target.family == TargetFamily::kQnn) JudgeUnits(facts, out);
}

std::optional<NodeVerdict> JudgeUnit(const NodeView& view, const Target& target) {
  if (target.family != TargetFamily::kQnn || !view.quantized()) return std::nullopt;
  const OnnxType x = view.QuantizedInput(0);
  if (view.node->Is("Gemm")) {
    const OnnxAttribute* alpha = view.node->FindAttribute("alpha");
    if (alpha != nullptr && alpha->type == 1 && alpha->f != 1) {
      return Refused(target, "FullyConnected takes alpha = 1 only",
                     "put the factor into the weight, or multiply before");
    }
    const OnnxType bias = view.QuantizedInput(2);
    if (bias != 0 && bias != kI32) {
      return Refused(target,
                     "a quantized Gemm takes its bias as int32, found " + OnnxTypeName(bias),
                     "quantize the bias as int32 with scale = input scale * weight scale");
    }
  }
  // Its words for a bias beside an addition: "QNN EP does not support a standalone DQ op with
  // per-channel quantization".
  if (view.node->Is("Add") || view.node->Is("Mul")) {
    for (size_t i = 0; i < view.dequantize.size(); ++i) {
      if (view.QuantizedInput(i) != kI32) continue;
      return Refused(target, std::string(view.op()) + " takes no int32 operand in a node unit",
                     "quantize it as the other operand is, or make it the bias of Gemm or Conv");
    }
  }
  if (view.node->Is("MatMul") || view.node->Is("Gemm")) {
    if (Is8Bit(x) && Is16Bit(view.QuantizedInput(1)) && Is8Bit(view.QuantizedOutput())) {
      return Refused(target, "an 8-bit " + std::string(view.op()) + " takes no 16-bit operand",
                     "quantize both operands in 8 bits, or the first one in 16");
    }
  }
  if (view.node->Is("LayerNormalization") && x != 0) {
    const OnnxType gamma = view.QuantizedInput(1), beta = view.QuantizedInput(2);
    const bool sums = beta == kI32 || view.inputs.size() < 3 || view.inputs[2] == nullptr;
    if (sums && (gamma == kI8 || (Is8Bit(x) && Is16Bit(gamma)) || x == kI16)) {
      return Refused(target,
                     "LayerNormalization of " + OnnxTypeName(x) + " with a factor of " +
                         OnnxTypeName(gamma) + " and a sum of int32 or none does not compile",
                     "the factor as uint8, or int16 beside uint16; the sum as int32");
    }
  }
  return std::nullopt;
}

}  // namespace tessera::doctor
