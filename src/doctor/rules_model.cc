// Rules of the file as a whole.
#include <cmath>

#include "doctor/rules.h"

namespace tessera::doctor {
namespace {

constexpr uint64_t kProtobufLimit = (uint64_t{1} << 31) - 1;
constexpr uint64_t kQnnContextLimit = 3500ull << 20;

void Inputs(const ModelFacts& facts, const Target& target, std::vector<ModelFinding>& out) {
  std::string dynamic, binding;
  for (const OnnxValueInfo& input : facts.model->graph.inputs) {
    if (facts.model->graph.FindInitializer(input.name) != nullptr) continue;
    const ValueFacts& value = facts.inference->Find(input.name);
    if (value.Static()) continue;
    dynamic += (dynamic.empty() ? "" : ", ") + QuotedName(input.name) + " " + value.ToString();
    if (!value.shape) continue;
    for (const Number& n : *value.shape) {
      const std::string name = n.ToString();
      if (n.symbolic() && ("," + binding).find("," + name + "=") == std::string::npos)
        binding += (binding.empty() ? "" : ",") + name + "=SIZE";
    }
  }
  if (dynamic.empty()) return;
  const bool direct_ml = target.family == TargetFamily::kDirectMl;
  out.push_back({"R1.static-inputs", direct_ml ? Severity::kWarning : Severity::kError,
                 "inputs of open size: " + dynamic +
                     (direct_ml ? "; DirectML is faster with fixed ones"
                                : "; NPU compilers want every dimension fixed"),
                 "one model a size (a bucket): --bind " + binding +
                     ", and --fix OUT.onnx to write "
                     "it"});
}

void Files(const ModelFacts& facts, const Target& target, std::vector<ModelFinding>& out) {
  const uint64_t total = facts.file_bytes + facts.data_bytes;
  if (facts.data_files > 1) {
    out.push_back({"R3.one-file", Severity::kWarning,
                   "weights in " + std::to_string(facts.data_files) +
                       " files beside the model; tools that copy a model lose some",
                   "--fix OUT.onnx writes one model and one data file"});
  }
  if (target.family == TargetFamily::kQnn && total > kQnnContextLimit) {
    out.push_back({"R3.context-size", Severity::kWarning,
                   "a context of the HTP holds about 3.5 GB (a 32-bit process on the DSP), the "
                   "weights are " +
                       std::to_string(total >> 20) + " MB",
                   "16-bit or 8-bit weights, or two models"});
  }
  if (facts.data_bytes == 0 && total > kProtobufLimit / 10 * 9) {
    out.push_back({"R3.protobuf", Severity::kWarning, "near the 2 GB at which protobuf ends",
                   "--fix OUT.onnx writes the weights beside it"});
  }
}

void Opset(const ModelFacts& facts, const Target& target, std::vector<ModelFinding>& out) {
  const auto it = facts.model->opsets.find("");
  const int64_t opset = it == facts.model->opsets.end() ? 0 : it->second;
  struct Range {
    int64_t low, high;
    const char* source;
  };
  Range range = {12, 23, "the versions that were measured"};
  if (target.family == TargetFamily::kVitisAi)
    range = {13, 17, "Ryzen AI's documentation, which recommends 17"};
  if (target.family == TargetFamily::kDirectMl) range = {7, 21, "DirectML's documentation"};
  if (opset >= range.low && opset <= range.high) return;
  out.push_back({"R4.opset", Severity::kWarning,
                 "opset " + std::to_string(opset) + " is outside " + std::to_string(range.low) +
                     " to " + std::to_string(range.high) + " (" + range.source + ")",
                 "export with opset 17, or convert with onnx.version_converter"});
}

// Scales that are finite and not zero, zero points of the quantized type.
void Quantization(const ModelFacts& facts, const Target&, std::vector<ModelFinding>& out) {
  size_t bad_scale = 0, bad_zero = 0, dynamic_scale = 0, units = 0;
  std::string first;
  const auto remember = [&first](const OnnxNode& node, size_t& count) {
    if (count++ == 0 && first.empty()) first = QuotedName(node.name);
  };
  for (const OnnxNode& node : facts.model->graph.nodes) {
    const bool quantize = node.Is("QuantizeLinear") || node.Is("QuantizeLinear", "com.microsoft");
    const bool back = node.Is("DequantizeLinear") || node.Is("DequantizeLinear", "com.microsoft");
    if ((!quantize && !back) || node.inputs.size() < 2) continue;
    ++units;
    const ValueFacts& scale = facts.inference->Find(node.inputs[1]);
    if (!scale.constant) remember(node, dynamic_scale);
    for (const Number& n : scale.elements != nullptr ? *scale.elements : Numbers()) {
      if (n.known() && std::isfinite(n.as_double()) && n.as_double() > 0) continue;
      remember(node, bad_scale);
      break;
    }
    if (node.inputs.size() < 3 || node.inputs[2].empty()) continue;
    const OnnxType zero = facts.inference->Find(node.inputs[2]).type;
    const OnnxType stored =
        facts.inference->Find(back                   ? node.inputs[0]
                              : node.outputs.empty() ? ""
                                                     : node.outputs[0])
            .type;
    if (zero != 0 && stored != 0 && zero != stored) remember(node, bad_zero);
  }
  if (units == 0) return;
  const auto add = [&](size_t count, const char* id, Severity severity, const char* what,
                       const char* remedy) {
    if (count == 0) return;
    out.push_back({id, severity, std::to_string(count) + what + first, remedy});
  };
  add(bad_scale, "R7.scale", Severity::kError,
      " quantization nodes have a scale that is zero, negative or not finite, first ",
      "calibrate again with data that reaches these values");
  add(bad_zero, "R7.zero-point", Severity::kError,
      " quantization nodes have a zero point of another type than their data, first ",
      "quantize again");
  add(dynamic_scale, "R7.constant-scale", Severity::kWarning,
      " quantization nodes have a scale that is computed at run time, first ",
      "use static quantization with calibration data");
}

}  // namespace

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "";
}

std::vector<ModelFinding> JudgeModel(const ModelFacts& facts, const Target& target) {
  std::vector<ModelFinding> findings;
  Inputs(facts, target, findings);
  Files(facts, target, findings);
  Opset(facts, target, findings);
  Quantization(facts, target, findings);
  return findings;
}

}  // namespace tessera::doctor
