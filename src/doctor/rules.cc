#include "doctor/rules.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "doctor/op_database.h"
#include "doctor/quantized.h"

namespace tessera::doctor {
namespace {

using Answer = std::optional<NodeVerdict>;

NodeVerdict Say(Verdict verdict, EvidenceTier tier, std::string reason, std::string remedy = "") {
  return {verdict, tier, "", std::move(reason), std::move(remedy)};
}

bool IsFamily(const Target& target, TargetFamily family) { return target.family == family; }

std::string Types(const NodeView& view) {
  std::string text;
  for (const ValueFacts* input : view.inputs) {
    if (input == nullptr) continue;
    text += (text.empty() ? "" : ", ") + input->ToString() + (input->constant ? " constant" : "");
  }
  return text;
}

// Nodes that ONNX Runtime computes when it loads the model, or drops.
Answer Folded(const NodeView& view, const Target&) {
  if (view.dead) {
    return Say(Verdict::kSupported, EvidenceTier::kHeuristic,
               "no output of the model needs it; it is removed");
  }
  if (view.op() == "Constant" || view.outputs.empty()) {
    return Say(Verdict::kSupported, EvidenceTier::kHeuristic, "a constant of the file");
  }
  bool constant = true, known = true;
  for (const ValueFacts* output : view.outputs) {
    if (output == nullptr) continue;
    constant = constant && output->constant;
    known = known && output->KnownAtLoad();
  }
  if (!known || (view.op() == "CastLike" && !constant)) return std::nullopt;
  return Say(Verdict::kSupported, EvidenceTier::kHeuristic,
             constant ? "made of constants; computed once when the model is loaded"
                      : "shape arithmetic on fixed shapes; computed once when the model is loaded");
}

// Inference mode: no mask is made, and no input says otherwise.
bool IsIdleDropout(const NodeView& view) {
  if (view.op() != "Dropout" || (view.outputs.size() > 1 && view.outputs[1] != nullptr))
    return false;
  if (view.inputs.size() > 1 && view.inputs[1] != nullptr && !view.inputs[1]->constant)
    return false;
  if (view.inputs.size() < 3 || view.inputs[2] == nullptr) return true;
  const auto& training = view.inputs[2]->elements;
  return training != nullptr && training->size() == 1 && (*training)[0].Is(0);
}

Answer Removed(const NodeView& view, const Target&) {
  if (!view.node->domain.empty()) return std::nullopt;
  if ((view.op() == "Identity" && !view.quantized()) || IsIdleDropout(view)) {
    return Say(Verdict::kSupported, EvidenceTier::kHeuristic,
               "does nothing at inference; the optimizer removes it");
  }
  // A Cast to the type that the value has.
  if (view.op() == "Cast" && view.inputs.size() == 1 && view.inputs[0] != nullptr &&
      view.inputs[0]->type != 0 && !view.outputs.empty() && view.outputs[0] != nullptr &&
      view.outputs[0]->type == view.inputs[0]->type) {
    return Say(Verdict::kSupported, EvidenceTier::kHeuristic,
               "a cast to the type that the value has; the optimizer removes it");
  }
  return std::nullopt;
}

Answer ControlFlow(const NodeView& view, const Target&) {
  constexpr std::array kOps = {std::string_view("If"), std::string_view("Loop"),
                               std::string_view("Scan"), std::string_view("SequenceMap")};
  if (!view.node->domain.empty() || std::find(kOps.begin(), kOps.end(), view.op()) == kOps.end())
    return std::nullopt;
  if (view.op() == "If" && !view.inputs.empty() && view.inputs[0] != nullptr &&
      view.inputs[0]->constant) {
    return Say(Verdict::kPartial, EvidenceTier::kHeuristic,
               "a branch whose condition is a constant: ONNX Runtime puts the taken branch in its "
               "place, and what is in it was not examined",
               "save the model after ONNX Runtime's basic optimization "
               "(optimized_model_filepath) and examine that");
  }
  return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
             "control flow: no NPU compiler takes If, Loop or Scan",
             view.op() == "If" ? "export with the condition fixed, so that one branch remains"
                               : "unroll it, or keep the loop in the program and export its body");
}

// A dimension that is not fixed, by name.
Answer StaticShape(const NodeView& view, const Target& target) {
  if (IsFamily(target, TargetFamily::kDirectMl)) return std::nullopt;  // slower, not refused
  const auto check = [&](const ValueFacts* value, bool is_input) -> Answer {
    if (value == nullptr || value->Static() || value->constant) return std::nullopt;
    const std::string side = is_input ? "an input" : "its result";
    if (!value->shape) {
      if (!view.has_rule || (is_input && value->type == 0)) {
        return Say(Verdict::kUnknown, EvidenceTier::kHeuristic,
                   side + " is of unknown shape: nothing is known of the operator that makes it",
                   "run the exporter's or ONNX Runtime's symbolic shape inference and save the "
                   "shapes in the file");
      }
      return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
                 side +
                     " has a shape that is known at run time only; NPU compilers want fixed "
                     "shapes",
                 "export with fixed shapes");
    }
    std::string symbol;
    for (const Number& n : *value->shape) {
      if (n.symbolic() && symbol.empty()) symbol = n.ToString();
    }
    return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
               side + " has the shape " + ToString(*value->shape) +
                   "; NPU compilers want every dimension fixed",
               symbol.empty() ? "export with fixed shapes, or make the number of results fixed"
                              : "fix the dimensions: --bind " +
                                    (symbol.find(' ') == std::string::npos ? symbol : "NAME") +
                                    "=SIZE, or --fix OUT.onnx");
  };
  for (const ValueFacts* input : view.inputs) {
    if (Answer answer = check(input, true)) return answer;
  }
  for (const ValueFacts* output : view.outputs) {
    if (Answer answer = check(output, false)) return answer;
  }
  return std::nullopt;
}

// Types that no NPU computes in. OpenVINO converts 64-bit numbers before its compiler sees them.
Answer ElementType(const NodeView& view, const Target& target) {
  constexpr OnnxType kDouble = 11, kUint64 = 13, kComplex64 = 14, kComplex128 = 15;
  const bool converts = IsFamily(target, TargetFamily::kOpenVino);
  for (const auto* side : {&view.inputs, &view.outputs}) {
    for (const ValueFacts* value : *side) {
      if (value == nullptr) continue;
      const OnnxType type = value->type;
      const bool wide = type == kDouble || type == kUint64;
      const bool never = type == kOnnxString || type == kComplex64 || type == kComplex128;
      if (!never && (!wide || converts)) continue;
      return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
                 "no NPU computes in " + OnnxTypeName(type),
                 type == kDouble ? "convert the model to float32 or float16" : "");
    }
  }
  return std::nullopt;
}

Answer GeluPattern(const NodeView& view, const Target& target) {
  if (!view.in_gelu || !IsFamily(target, TargetFamily::kQnn)) return std::nullopt;
  return Say(Verdict::kSupported, EvidenceTier::kVendorDoc,
             "part of x * (1 + erf(x / sqrt 2)) / 2, which is compiled as one Gelu",
             "--fix writes it as one Gelu, which every target knows");
}

Answer NoPublicRecord(const NodeView& view, const Target& target) {
  if (!IsFamily(target, TargetFamily::kVitisAi)) return std::nullopt;
  return Say(Verdict::kUnknown, EvidenceTier::kHeuristic,
             "AMD publishes no list of operators by type and shape, and its compiler gives no "
             "reason for a node",
             "run it on the hardware: tessera ... --placement shows what ran where");
}

std::string Rewrite(const NodeView& view) {
  const std::string_view op = view.op();
  if (op == "Erf") return "write x * (1 + erf(x / sqrt 2)) / 2 as Gelu: --fix OUT.onnx";
  if (op == "Trilu") return "make the mask once, as a constant or an input of the model";
  if (op == "ConstantOfShape" || op == "Range")
    return "fix the shapes, then it is computed at load";
  if (op == "GroupQueryAttention" || op == "MultiHeadAttention" || op == "Attention")
    return "export without fused attention (MatMul, Softmax, MatMul)";
  if (op == "SkipLayerNormalization" || op == "EmbedLayerNormalization" || op == "BiasGelu" ||
      op == "FastGelu" || op == "FusedMatMul") {
    return "use the model as exported, before ONNX Runtime's optimizer for transformers";
  }
  if (op == "NonZero" || op == "Compress" || op == "Unique")
    return "its result has no fixed size: compute it outside the model, or write it with Where";
  return "";
}

int64_t IntAttribute(const NodeView& view, std::string_view name, int64_t otherwise) {
  const OnnxAttribute* a = view.node->FindAttribute(name);
  return a != nullptr && a->type == 2 ? a->i : otherwise;
}
bool HasFloats(const NodeView& view) {
  const OnnxType type = view.inputs.empty() || view.inputs[0] == nullptr ? 0 : view.inputs[0]->type;
  return type == 0 || type == 1 || type == 10 || type == 16;
}
bool Fixed(const NodeView& view, size_t i) {
  return i >= view.inputs.size() || view.inputs[i] == nullptr || view.inputs[i]->KnownAtLoad();
}
bool AlongLastAxis(const NodeView& view) {
  const ValueFacts* x = view.inputs.empty() ? nullptr : view.inputs[0];
  const int64_t axis = IntAttribute(view, "axis", -1);
  return x == nullptr || !x->shape || axis == -1 ||
         axis + 1 == static_cast<int64_t>(x->shape->size());
}
bool Unreduced(const NodeView& view) {
  const OnnxAttribute* a = view.node->FindAttribute("reduction");
  return a == nullptr || a->s == "none";
}

// What Qualcomm's provider asks of single operators, in its own words (onnxruntime-qnn 2.7.0).
struct Condition {
  const char* op;
  bool (*holds)(const NodeView&);
  const char* words;
  const char* remedy;
};
constexpr Condition kQnnConditions[] = {
    {"ArgMax", [](const NodeView& v) { return IntAttribute(v, "select_last_index", 0) == 0; },
     "takes select_last_index = 0 only", "reverse the axis before and count from its end"},
    {"ArgMin", [](const NodeView& v) { return IntAttribute(v, "select_last_index", 0) == 0; },
     "takes select_last_index = 0 only", "reverse the axis before and count from its end"},
    {"Clip", [](const NodeView& v) { return Fixed(v, 1) && Fixed(v, 2); },
     "takes constant bounds only", "make min and max constants"},
    {"CumSum", [](const NodeView& v) { return Fixed(v, 1); }, "takes a constant axis only",
     "make the axis a constant"},
    {"LayerNormalization", AlongLastAxis, "normalizes along the last axis only",
     "transpose before and after"},
    {"LpNormalization", [](const NodeView& v) { return IntAttribute(v, "p", 2) == 2; },
     "takes p = 2 only", "write it with Abs, ReduceSum and Div"},
    {"Mod", [](const NodeView& v) { return IntAttribute(v, "fmod", 0) == 0; },
     "takes fmod = 0 only", "write it with Div, Floor, Mul and Sub"},
    {"Pad", [](const NodeView& v) { return Fixed(v, 1); }, "takes constant pads only",
     "make the pads a constant"},
    {"ReduceLogSumExp", HasFloats, "takes floats only", "cast before and after"},
    {"ReduceMax", [](const NodeView& v) { return Fixed(v, 1); }, "takes constant axes only",
     "make the axes a constant"},
    {"ReduceMean", [](const NodeView& v) { return Fixed(v, 1); }, "takes constant axes only",
     "make the axes a constant"},
    {"ReduceMin", [](const NodeView& v) { return Fixed(v, 1); }, "takes constant axes only",
     "make the axes a constant"},
    {"ReduceSum", [](const NodeView& v) { return Fixed(v, 1); }, "takes constant axes only",
     "make the axes a constant"},
    {"ScatterND", Unreduced, "takes no reduction", "gather, combine and scatter"},
    {"Slice", [](const NodeView& v) { return Fixed(v, 1) && Fixed(v, 2); },
     "takes constant starts and ends only", "make starts and ends constants"},
};

Answer AskedOfOperator(const NodeView& view, const Target& target) {
  if (!IsFamily(target, TargetFamily::kQnn) || !view.node->domain.empty()) return std::nullopt;
  for (const Condition& condition : kQnnConditions) {
    if (view.op() != condition.op || condition.holds(view)) continue;
    return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
               target.provider + ": " + std::string(view.op()) + " " + condition.words,
               condition.remedy);
  }
  return std::nullopt;
}

// Intel's compiler knows no layout for more: of 137 sampled operators of rank 6 none compiled.
Answer TooManyDimensions(const NodeView& view, const Target& target) {
  constexpr size_t kMostDimensions = 5;
  if (!IsFamily(target, TargetFamily::kOpenVino)) return std::nullopt;
  for (const auto* side : {&view.inputs, &view.outputs}) {
    for (const ValueFacts* value : *side) {
      if (value == nullptr || !value->shape || value->shape->size() <= kMostDimensions) continue;
      return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
                 "Intel's NPU compiler takes at most rank 5, found " + ToString(*value->shape),
                 "merge dimensions with Reshape before and after");
    }
  }
  return std::nullopt;
}

Answer Measured(const NodeView& view, const Target& target) {
  if (view.database == nullptr) return std::nullopt;
  return view.database->Judge(view, target);
}

Answer OpTable(const NodeView& view, const Target& target) {
  if (!HasOpTable(target.family)) return std::nullopt;
  const bool own = view.node->domain.empty() || view.node->domain == "com.microsoft";
  const std::optional<OpEntry> entry = own ? FindOpEntry(target.family, view.op()) : std::nullopt;
  if (!entry) {
    return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
               target.provider + " has no " + std::string(view.op()), Rewrite(view));
  }
  for (const auto* side : {&view.inputs, &view.outputs}) {
    for (const ValueFacts* value : *side) {
      if (value == nullptr || !value->shape || entry->max_rank == 0) continue;
      const auto rank = static_cast<int>(value->shape->size());
      if (rank <= entry->max_rank) continue;
      return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
                 std::string(view.op()) + " takes at most rank " + std::to_string(entry->max_rank) +
                     ", found " + ToString(*value->shape),
                 "merge dimensions with Reshape before and after");
    }
  }
  // Qualcomm's provider converts 64-bit integers where an operator moves or compares them, and
  // constants and indices everywhere; others compute in floats.
  constexpr std::string_view kTakeInt64[] = {
      "Abs",       "Add",       "ArgMax",      "Cast",   "CastLike", "Clip",    "Concat",
      "CumSum",    "Div",       "Equal",       "Expand", "Flatten",  "Greater", "GreaterOrEqual",
      "Identity",  "Less",      "LessOrEqual", "Max",    "Min",      "Mod",     "Mul",
      "ReduceMax", "ReduceMin", "Reshape",     "Slice",  "Split",    "Squeeze", "Sub",
      "Tile",      "Transpose", "Unsqueeze",   "Where"};
  const bool takes =
      std::find(std::begin(kTakeInt64), std::end(kTakeInt64), view.op()) != std::end(kTakeInt64);
  const bool indexes = view.op().starts_with("Gather") || view.op().starts_with("Scatter");
  for (size_t i = 0; IsFamily(target, TargetFamily::kQnn) && !takes && i < view.inputs.size();
       ++i) {
    const ValueFacts* value = view.inputs[i];
    if (value == nullptr || value->type != 7 || value->KnownAtLoad() || indexes) continue;
    return Say(Verdict::kPartial, EvidenceTier::kVendorDoc,
               std::string(view.op()) + " takes no int64 on the HTP",
               "compute it in int32 or float: cast before it");
  }
  return Say(Verdict::kSupported, EvidenceTier::kVendorDoc,
             "in the list of operators of " + target.provider +
                 (entry->note[0] != '\0' ? std::string("; ") + entry->note : ""));
}

constexpr NamedNodeRule kRules[] = {
    {"R0.folded", Folded},
    {"R0.removed", Removed},
    {"R2.control-flow", ControlFlow},
    {"R5.element-type", ElementType},
    {"R1.static-shape", StaticShape},
    {"P1.gelu", GeluPattern},
    {"A1.condition", AskedOfOperator},
    {"A2.rank", TooManyDimensions},
    {"Q1.unit", JudgeUnit},
    {"D1.measured", Measured},
    {"V1.no-record", NoPublicRecord},
    {"T1.op-table", OpTable},
};

}  // namespace

bool NodeView::quantized() const {
  return std::any_of(dequantize.begin(), dequantize.end(),
                     [](const OnnxNode* node) { return node != nullptr; });
}

OnnxType NodeView::QuantizedInput(size_t i) const {
  return i < dequantize.size() && dequantize[i] != nullptr
             ? QuantizedType(*dequantize[i], *inference)
             : 0;
}

OnnxType NodeView::QuantizedOutput() const {
  return quantize != nullptr ? QuantizedType(*quantize, *inference) : 0;
}

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kPartial:
      return "partial";
    case Verdict::kUnsupported:
      return "unsupported";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "";
}

std::span<const NamedNodeRule> NodeRules() { return kRules; }

NodeVerdict JudgeNode(const NodeView& view, const Target& target) {
  for (const NamedNodeRule& rule : kRules) {
    if (Answer answer = rule.rule(view, target)) {
      answer->rule = rule.id;
      if (answer->remedy.empty() && answer->verdict != Verdict::kSupported)
        answer->remedy = Rewrite(view);
      return *std::move(answer);
    }
  }
  return {Verdict::kUnknown, EvidenceTier::kHeuristic, "R0.none",
          "nothing is recorded of " + std::string(view.op().substr(0, 60)) + " on " + Types(view),
          ""};
}

}  // namespace tessera::doctor
