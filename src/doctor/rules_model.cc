// Rules of the file as a whole.
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
  JudgeQuantization(facts, target, findings);
  return findings;
}

}  // namespace tessera::doctor
