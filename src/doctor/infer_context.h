// What a rule of one operator sees and fills. Used by the infer_*.cc files alone.
#ifndef TESSERA_DOCTOR_INFER_CONTEXT_H_
#define TESSERA_DOCTOR_INFER_CONTEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "doctor/inference.h"

namespace tessera::doctor {

class InferContext {
 public:
  InferContext(const OnnxNode& node, int64_t opset, std::vector<const ValueFacts*> inputs)
      : node(node), opset(opset), inputs_(std::move(inputs)), outputs_(node.outputs.size()) {}

  const OnnxNode& node;
  const int64_t opset;  // of ONNX's own operators

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  // Null where an optional input is absent.
  const ValueFacts* In(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  // Nothing where absent or of unknown rank.
  const Numbers* Shape(size_t i) const;
  const Numbers* Elements(size_t i) const;
  OnnxType Type(size_t i) const { return In(i) != nullptr ? In(i)->type : 0; }
  // Facts of an output; what is written to one that the node does not have is dropped.
  ValueFacts& Out(size_t i) { return i < outputs_.size() ? outputs_[i] : ignored_; }
  std::vector<ValueFacts>& outputs() { return outputs_; }

  int64_t Int(std::string_view name, int64_t otherwise) const;
  double Float(std::string_view name, double otherwise) const;
  std::string_view String(std::string_view name, std::string_view otherwise) const;
  // Null where the attribute is absent.
  const std::vector<int64_t>* Ints(std::string_view name) const;
  // The integers of attribute `name` or, where it is absent, of input `i`; nothing when they are
  // absent or not known.
  std::optional<std::vector<int64_t>> IntsOf(std::string_view name, size_t i) const;
  // Known integers of an input.
  std::optional<std::vector<int64_t>> KnownInts(size_t i) const;

  void Set(size_t i, OnnxType type, std::optional<Numbers> shape) {
    Out(i).type = type;
    Out(i).shape = std::move(shape);
  }
  void SetElements(size_t i, Numbers elements);
  // "node 'n' (Op): WHAT"
  void Conflict(const std::string& what) { conflicts.push_back(what); }
  std::vector<std::string> conflicts;

 private:
  std::vector<const ValueFacts*> inputs_;
  std::vector<ValueFacts> outputs_;
  ValueFacts ignored_;
};

using InferRule = void (*)(InferContext&);
struct NamedRule {
  const char* op_type;
  InferRule rule;
};
// Tables by file; `size` entries. Domain "": ONNX's own.
struct RuleTable {
  const NamedRule* rules;
  size_t size;
};
RuleTable ElementwiseRules();
RuleTable ShapeRules();
RuleTable MakerRules();
RuleTable IndexRules();
RuleTable LayerRules();
RuleTable ContribRules();  // com.microsoft

// Elements of tensors that shape arithmetic may use: no more than these.
inline constexpr int64_t kMaxTracked = 4096;

// An axis of a tensor of `rank`, from -rank to rank - 1; nothing outside.
std::optional<size_t> NormalAxis(int64_t axis, size_t rank);
// Numpy's broadcasting. Nothing when the shapes contradict each other.
std::optional<Numbers> BroadcastShapes(const Numbers& a, const Numbers& b);
// A dimension of which two facts are known.
Number JoinDims(const Number& a, const Number& b);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_INFER_CONTEXT_H_
