#include "models/bert/onnx/trace.h"

#include <algorithm>
#include <array>

namespace tessera::bert_onnx {
namespace {

constexpr size_t kMaxNodes = 200'000;
constexpr size_t kMaxLayers = 20'000;
constexpr std::string_view kContrib = "com.microsoft";

Status Refuse(std::string message) { return Unimplemented(std::move(message)); }

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Ops of which pooling and normalization to length 1 consist, behind the reduction itself.
bool MayFollowPooling(const OnnxNode& node) {
  return node.domain.empty() &&
         IsOneOf(node.op_type, {"Add", "Abs", "Cast", "Clip", "Div", "Expand", "Flatten",
                                "Identity", "LpNormalization", "Max", "Mul", "Pow", "ReduceL2",
                                "ReduceSum", "Reshape", "Shape", "Sqrt", "Squeeze", "Unsqueeze"});
}

std::string_view StripSuffix(std::string_view name) {
  return name.ends_with(":0") ? name.substr(0, name.size() - 2) : name;
}

}  // namespace

int64_t Call::Int(std::string_view name, int64_t otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr ? attribute->i : otherwise;
}

double Call::Float(std::string_view name, double otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr ? attribute->f : otherwise;
}

std::string_view Call::String(std::string_view name, std::string_view otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr ? attribute->s : otherwise;
}

std::optional<std::vector<int64_t>> Call::Ints(std::string_view name) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  if (attribute == nullptr) return std::nullopt;
  return attribute->ints;
}

std::string Call::Where() const {
  return "node " + QuotedName(node.name) + " (" +
         (node.domain.empty() ? "" : std::string(node.domain.substr(0, 40)) + ".") +
         std::string(node.op_type.substr(0, 60)) + ")";
}

Failed Call::Fail(const std::string& expected, const std::string& found) const {
  return {Refuse(Where() + ": expected " + expected + ", found " + found), std::nullopt};
}

Failed Call::Fail(const std::string& expected) const {
  std::string found;
  for (const Value* input : inputs) found += (found.empty() ? "" : ", ") + Describe(input);
  return Fail(expected, found.empty() ? "no inputs" : found);
}

std::string Describe(const Value* value) {
  if (value == nullptr) return "nothing";
  struct Visitor {
    std::string operator()(const Failed&) const { return "an unknown value"; }
    std::string operator()(const Field& f) const {
      return (f.kind == Field::Kind::kIds        ? "token ids "
              : f.kind == Field::Kind::kPosition ? "positions "
                                                 : "known numbers ") +
             ToString(f.shape);
    }
    std::string operator()(const Constant& c) const {
      return "constant " + QuotedName(c.name) + " " + std::string(DTypeName(c.view.dtype)) +
             ToString(c.Dims());
    }
    std::string operator()(const Rows& r) const {
      static constexpr std::array<const char*, 13> kNames = {"activations ",
                                                             "a mean of activations ",
                                                             "centered activations ",
                                                             "squared activations ",
                                                             "a variance ",
                                                             "a variance + epsilon ",
                                                             "a standard deviation ",
                                                             "an inverse deviation ",
                                                             "normalized activations ",
                                                             "normalized activations times gamma ",
                                                             "erf of activations ",
                                                             "1 + erf of activations ",
                                                             "a part of Gelu "};
      return kNames[static_cast<size_t>(r.form)] + ToString(r.Dims());
    }
    std::string operator()(const Scores& s) const {
      return (s.softmax ? "attention weights " : "attention scores ") + ToString(s.Dims());
    }
  };
  return std::visit(Visitor(), *value);
}

std::optional<NumShape> Broadcast(const NumShape& a, const NumShape& b) {
  const NumShape& longer = a.size() >= b.size() ? a : b;
  const NumShape& shorter = a.size() >= b.size() ? b : a;
  NumShape result = longer;
  for (size_t i = 0; i < shorter.size(); ++i) {
    Num& size = result[result.size() - 1 - i];
    const Num& other = shorter[shorter.size() - 1 - i];
    if (size.Is(1)) {
      size = other;
    } else if (!other.Is(1) && size != other) {
      return std::nullopt;
    }
  }
  return result;
}

bool IsPlainRows(const Value* value) {
  const Rows* rows = value == nullptr ? nullptr : std::get_if<Rows>(value);
  if (rows == nullptr || rows->form != Form::kPlain || rows->factor != 1) return false;
  const std::vector<Axis>& axes = rows->axes;
  return axes.size() >= 2 && axes.back() == Axis{{.size = rows->width}} &&
         axes[axes.size() - 2] == Axis{{.tokens = true}} &&
         std::all_of(axes.begin(), axes.end() - 2, [](const Axis& axis) { return axis.empty(); });
}

bool Trace::Spend(size_t elements) {
  if (elements > elements_left_) return false;
  elements_left_ -= elements;
  return true;
}

Value Trace::Find(std::string_view name) const {
  const auto it = values_.find(name);
  if (it != values_.end()) return it->second;
  return Failed{DataLoss("expected a node before its use that gives value " + QuotedName(name) +
                         ", found none; export the model again"),
                std::nullopt};
}

Status Trace::BindInputs() {
  bool has_ids = false;
  for (const OnnxValueInfo& input : model_.graph.inputs) {
    if (model_.graph.FindInitializer(input.name) != nullptr) continue;
    const std::string_view name = StripSuffix(input.name);
    const bool is_ids = IsOneOf(name, {"input_ids", "ids", "input"});
    const bool is_mask = IsOneOf(name, {"attention_mask", "input_mask", "mask"});
    const bool is_type = IsOneOf(name, {"token_type_ids", "segment_ids", "input_type_ids"});
    if (!is_ids && !is_mask && !is_type) {
      values_[input.name] =
          Failed{Refuse("expected the inputs input_ids, attention_mask and token_type_ids, found " +
                        QuotedName(input.name) +
                        ", on which the output depends; export the model without it"),
                 std::nullopt};
      continue;
    }
    if (input.dims && (input.dims->size() != 2 || input.dims->at(1).value >= 0)) {
      return Refuse("input " + QuotedName(input.name) +
                    ": expected [batch, sequence] with a free sequence length, found " +
                    (input.dims->size() != 2
                         ? std::to_string(input.dims->size()) + " dimensions"
                         : "the sequence length " + std::to_string(input.dims->at(1).value)) +
                    "; export the model with dynamic axes");
    }
    Field field;
    field.shape = {Num{1, 0}, kSeq};
    field.type = input.type == 9                      ? FieldType::kBool
                 : input.type == 6 || input.type == 7 ? FieldType::kInt
                                                      : FieldType::kFloat;
    if (is_ids) {
      if (has_ids || field.type != FieldType::kInt) {
        return Refuse("input " + QuotedName(input.name) +
                      ": expected one input of token ids, int32 "
                      "or int64, found " +
                      (has_ids ? "a second one" : OnnxTypeName(input.type)));
      }
      has_ids = true;
      field.kind = Field::Kind::kIds;
      field.axis = 1;
    } else {
      field.elements = {Num{is_mask ? 1.0 : 0.0, 0}};
    }
    values_[input.name] = std::move(field);
  }
  if (!has_ids) {
    return Refuse("expected a text encoder with an input input_ids, found none among " +
                  std::to_string(model_.graph.inputs.size()) + " inputs");
  }
  return OkStatus();
}

Status Trace::Run() {
  if (model_.graph.nodes.size() > kMaxNodes) {
    return ResourceExhausted("expected at most " + std::to_string(kMaxNodes) +
                             " nodes of a text encoder, found " +
                             std::to_string(model_.graph.nodes.size()));
  }
  TESSERA_RETURN_IF_ERROR(BindInputs());
  const auto opset = model_.opsets.find("");
  for (const auto& [name, tensor] : model_.graph.initializers) {
    values_[name] = FromTensor(tensor);
  }
  for (const OnnxNode& node : model_.graph.nodes) {
    Call call{node, {}, opset == model_.opsets.end() ? 1 : opset->second};
    std::optional<Failed> failed;
    for (const std::string_view name : node.inputs) {
      if (name.empty()) {
        call.inputs.push_back(nullptr);
        continue;
      }
      const auto it = values_.find(name);
      if (it == values_.end()) {
        failed = std::get<Failed>(Find(name));
        break;
      }
      call.inputs.push_back(&it->second);
      const Failed* input = std::get_if<Failed>(&it->second);
      if (input != nullptr && (!failed || (input->pooled && !failed->pooled))) failed = *input;
    }
    if (failed && failed->pooled && !MayFollowPooling(node)) {
      failed = call.Fail("nothing but normalization after pooling", "this op");
    }
    Outputs outputs;
    if (!failed) outputs = Evaluate(call);
    if (layers_.size() > kMaxLayers) {
      return ResourceExhausted("expected at most " + std::to_string(kMaxLayers) +
                               " layers of a text encoder, found more");
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      values_[node.outputs[i]] =
          failed ? Value(*failed)
          : i < outputs.size()
              ? std::move(outputs[i])
              : Value(call.Fail("a result that text encoders use", "output " + std::to_string(i)));
    }
  }
  return OkStatus();
}

Trace::Outputs Trace::Evaluate(const Call& call) {
  using Rule = Value (Trace::*)(const Call&);
  static const std::map<std::string_view, Rule> kRules = {
      {"Add", &Trace::Binary},
      {"Sub", &Trace::Binary},
      {"Mul", &Trace::Binary},
      {"Div", &Trace::Binary},
      {"Pow", &Trace::Binary},
      {"And", &Trace::Binary},
      {"Or", &Trace::Binary},
      {"Equal", &Trace::Binary},
      {"Less", &Trace::Binary},
      {"LessOrEqual", &Trace::Binary},
      {"Greater", &Trace::Binary},
      {"GreaterOrEqual", &Trace::Binary},
      {"Max", &Trace::Binary},
      {"Min", &Trace::Binary},
      {"Neg", &Trace::Unary},
      {"Not", &Trace::Unary},
      {"Sqrt", &Trace::Unary},
      {"Reciprocal", &Trace::Unary},
      {"Abs", &Trace::Unary},
      {"Floor", &Trace::Unary},
      {"IsNaN", &Trace::Unary},
      {"Cast", &Trace::Cast},
      {"Concat", &Trace::Concat},
      {"Constant", &Trace::ConstantOp},
      {"ConstantOfShape", &Trace::ConstantOfShape},
      {"CumSum", &Trace::CumSum},
      {"Erf", &Trace::Erf},
      {"Expand", &Trace::Expand},
      {"Flatten", &Trace::Flatten},
      {"Gather", &Trace::Gather},
      {"GatherElements", &Trace::GatherElements},
      {"Gelu", &Trace::Gelu},
      {"Gemm", &Trace::Gemm},
      {"MatMul", &Trace::MatMul},
      {"NonZero", &Trace::NonZero},
      {"Range", &Trace::Range},
      {"ReduceMean", &Trace::Reduce},
      {"ReduceSum", &Trace::Reduce},
      {"ReduceProd", &Trace::Reduce},
      {"Reshape", &Trace::Reshape},
      {"Shape", &Trace::Shape},
      {"Slice", &Trace::Slice},
      {"Softmax", &Trace::Softmax},
      {"Squeeze", &Trace::Squeeze},
      {"Transpose", &Trace::Transpose},
      {"Unsqueeze", &Trace::Unsqueeze},
      {"Where", &Trace::Where},
  };
  const OnnxNode& node = call.node;
  for (const OnnxAttribute& attribute : node.attributes) {
    if (!attribute.reference.empty() || !attribute.graphs.empty()) {
      return {call.Fail("an op without graphs inside", "one")};
    }
  }
  if (node.domain.empty()) {
    if (IsOneOf(node.op_type, {"Identity", "Dropout"}) && call.Has(0)) {
      if (call.Has(2) && AsScalar(call.Input(2)) != 0.0) {
        return {call.Fail("dropout that is off",
                          "a model in training mode; call its eval() before the export")};
      }
      return {*call.Input(0)};
    }
    if (node.op_type == "LayerNormalization") {
      const int64_t axis = call.Int("axis", -1);
      const Rows* x = call.Has(0) ? std::get_if<Rows>(call.Input(0)) : nullptr;
      if (x == nullptr || (axis != -1 && axis != static_cast<int64_t>(x->axes.size()) - 1)) {
        return {call.Fail("activations, normalized over their last dimension")};
      }
      return {LayerNorm(call, call.Input(0), call.Input(1), call.Input(2),
                        call.Float("epsilon", 1e-5))};
    }
    const auto rule = kRules.find(node.op_type);
    if (rule != kRules.end()) {
      if (!call.Has(0) && node.op_type != "Constant") return {call.Fail("an input", "none")};
      return {(this->*rule->second)(call)};
    }
  } else if (node.domain == kContrib) {
    Outputs outputs = EvaluateContrib(call);
    if (!outputs.empty()) return outputs;
  }
  if (IsOneOf(node.op_type, {"Tanh", "FastGelu", "QuickGelu"})) {
    return {call.Fail("the exact Gelu, with erf",
                      "an activation by tanh or an approximation of it; use a file "
                      "that was exported or optimised without that")};
  }
  if (IsOneOf(node.op_type, {"Sin", "Cos", "RotaryEmbedding"})) {
    return {call.Fail("a table of positions", "rotary ones")};
  }
  return {call.Fail("an op that BERT-family encoders consist of",
                    std::string(node.op_type.substr(0, 60)))};
}

}  // namespace tessera::bert_onnx
