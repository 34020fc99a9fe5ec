// The rules of NPUs' compilers as predicates, each with a stable id.
//
// A node rule looks at one node and says nothing where it does not apply; the first that speaks
// decides (kNodeRules' order: what is gone before compiling, what no NPU takes, then tables and
// measurements from the strongest evidence down). Model rules look at the file as a whole.
#ifndef TESSERA_DOCTOR_RULES_H_
#define TESSERA_DOCTOR_RULES_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "doctor/inference.h"
#include "doctor/target.h"
#include "doctor/verdict.h"

namespace tessera::doctor {

class OpDatabase;

struct NodeView {
  const OnnxNode* node = nullptr;
  std::vector<const ValueFacts*> inputs;  // null where absent
  std::vector<const ValueFacts*> outputs;
  int64_t opset = 0;
  bool has_rule = false;  // shape inference knows the operator
  bool dead = false;      // no output of the model needs it
  bool in_gelu = false;   // part of the five nodes that spell Gelu with Erf
  // The DequantizeLinear that makes input i, null where there is none, and the QuantizeLinear that
  // alone reads output 0.
  std::vector<const OnnxNode*> dequantize;
  const OnnxNode* quantize = nullptr;
  const Inference* inference = nullptr;
  const OpDatabase* database = nullptr;

  std::string_view op() const { return node->op_type; }
  // Some input comes out of DequantizeLinear.
  bool quantized() const;
  // The integer type that input i or output 0 has as part of a quantized node unit; 0: none.
  OnnxType QuantizedInput(size_t i) const;
  OnnxType QuantizedOutput() const;
};

using NodeRule = std::optional<NodeVerdict> (*)(const NodeView&, const Target&);
struct NamedNodeRule {
  const char* id;
  NodeRule rule;
};
std::span<const NamedNodeRule> NodeRules();
// By NodeRules() in order; kUnknown where none speaks.
NodeVerdict JudgeNode(const NodeView& view, const Target& target);

enum class Severity { kError, kWarning, kNote };
const char* SeverityName(Severity severity);

struct ModelFinding {
  std::string rule;  // "R4.opset"
  Severity severity = Severity::kNote;
  std::string message;
  std::string remedy;
};

struct ModelFacts {
  const OnnxModel* model = nullptr;
  const Inference* inference = nullptr;
  uint64_t file_bytes = 0, data_bytes = 0;  // of the file, and of those beside it
  size_t data_files = 0;
};
// R1 (inputs), R3, R4, R7; R2, R5 and R6 follow from the nodes.
std::vector<ModelFinding> JudgeModel(const ModelFacts& facts, const Target& target);

// R7 and Q1: quantization nodes that no compiler takes, and such that a compiler takes and computes
// other numbers with.
void JudgeQuantization(const ModelFacts& facts, const Target& target,
                       std::vector<ModelFinding>& out);
// What Qualcomm's compiler refuses of a quantized node unit.
std::optional<NodeVerdict> JudgeUnit(const NodeView& view, const Target& target);

// Operators that a target's provider has a builder for; nothing where there is no such list.
// `max_rank` is the highest rank of an operand, 0 where the documents name none.
struct OpEntry {
  const char* op;
  int max_rank;
  const char* note;  // a condition that tables cannot say; ""
};
std::optional<OpEntry> FindOpEntry(TargetFamily family, std::string_view op);
bool HasOpTable(TargetFamily family);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_RULES_H_
