// Runs an ONNX graph on symbols (symbolic.h), node by node in the file's order.
//
// Each op has a rule for the values that it can meet in a text encoder; a value or an attribute
// outside these rules makes the result Failed with the node, its op and what was expected. Memory
// and time are bounded: known numbers in all, layers, and dimensions of a value.
#ifndef TESSERA_MODELS_BERT_ONNX_TRACE_H_
#define TESSERA_MODELS_BERT_ONNX_TRACE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "models/bert/onnx/symbolic.h"

namespace tessera::bert_onnx {

// A node whose inputs are looked up.
struct Call {
  const OnnxNode& node;
  std::vector<const Value*> inputs;  // null: absent
  int64_t opset = 0;

  size_t size() const { return inputs.size(); }
  const Value* Input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  bool Has(size_t i) const { return Input(i) != nullptr; }
  int64_t Int(std::string_view name, int64_t otherwise) const;
  double Float(std::string_view name, double otherwise) const;
  std::string_view String(std::string_view name, std::string_view otherwise) const;
  std::optional<std::vector<int64_t>> Ints(std::string_view name) const;
  // "node 'n' (Op)"
  std::string Where() const;
  // kUnimplemented: "node 'n' (Op): expected EXPECTED, found FOUND".
  Failed Fail(const std::string& expected, const std::string& found) const;
  Failed Fail(const std::string& expected) const;  // found: what the inputs are
};

class Trace {
 public:
  explicit Trace(const OnnxModel& model) : model_(model) {}

  // Error: the graph cannot be run at all (bounds, inputs that are no texts). Nodes that have no
  // rule are no error here.
  Status Run();

  // Failed when there is no such value.
  Value Find(std::string_view name) const;
  const std::vector<Layer>& layers() const { return layers_; }
  // The id that the file tells padding by in its position ids; -1 when it does not.
  int64_t padding_id() const { return padding_id_; }

 private:
  using Outputs = std::vector<Value>;  // missing ones are Failed

  Status BindInputs();
  Outputs Evaluate(const Call& call);
  Outputs EvaluateContrib(const Call& call);
  bool Spend(size_t elements);

  // trace_fields.cc: known numbers, shapes, masks, positions.
  Value ConstantOp(const Call& call);
  Value Cast(const Call& call);
  Value Shape(const Call& call);
  Value Gather(const Call& call);
  Value GatherElements(const Call& call);
  Value Concat(const Call& call);
  Value Range(const Call& call);
  Value ConstantOfShape(const Call& call);
  Value CumSum(const Call& call);
  Value NonZero(const Call& call);
  Value Unary(const Call& call);
  Value FieldBinary(const Call& call, const Field& a, const Field& b);
  Value Where(const Call& call);
  Value ReduceField(const Call& call, const Field& x, const std::vector<size_t>& axes, bool keep);
  std::optional<Field> AsField(const Value* value);
  std::optional<std::vector<int64_t>> AsInts(const Value* value);
  std::optional<double> AsScalar(const Value* value, double* error = nullptr);

  // trace_layout.cc: what changes only the shape.
  Value Slice(const Call& call);
  Value Reshape(const Call& call);
  Value Flatten(const Call& call);
  Value Transpose(const Call& call);
  Value Unsqueeze(const Call& call);
  Value Squeeze(const Call& call);
  Value Expand(const Call& call);
  // The axes of an op that takes them as attribute or as input `i`.
  std::optional<std::vector<int64_t>> Axes(const Call& call, size_t i);

  // trace_layers.cc: what becomes layers.
  Value Binary(const Call& call);
  Value AddRows(const Call& call, const Value& a, const Value& b);
  Value MulRows(const Call& call, const Value& a, const Value& b);
  Value SubRows(const Call& call, const Rows& a, const Value& b);
  Value DivRows(const Call& call, const Value& a, const Value& b);
  Value PowRows(const Call& call, const Rows& a, const Value& b);
  Value ScaleBy(const Call& call, const Value& x, double factor, double error);
  Value MatMul(const Call& call);
  Value Gemm(const Call& call);
  Value Linear(const Call& call, const Value* x, const Value* weight, bool transposed,
               const Value* bias);
  Value Reduce(const Call& call);
  Value Softmax(const Call& call);
  Value Erf(const Call& call);
  Value Gelu(const Call& call);
  Value LayerNorm(const Call& call, const Value* x, const Value* gamma, const Value* beta,
                  double epsilon);
  Value Embed(const Call& call, const Constant& table, const Field& index);
  Value AddConstant(const Call& call, const Rows& rows, const Constant& row);
  Value Attend(const Call& call, const Scores& scores, const Rows& value);
  Value AddLayer(Layer layer, const std::vector<Axis>& axes);

  // trace_contrib.cc: ONNX Runtime's fused ops.
  Outputs EmbedLayerNorm(const Call& call);
  Outputs SkipLayerNorm(const Call& call);
  Value FusedAttention(const Call& call);
  Value MultiHeadAttention(const Call& call);
  Value FusedMatMul(const Call& call);
  Value HeadAttention(const Call& call, const Rows& q, const Rows& k, const Rows& v);
  Value Columns(const Call& call, const Rows& x, const Constant& weight, const Constant& bias,
                int part, int parts);
  bool IsFullMask(const Value* mask);

  const OnnxModel& model_;
  std::map<std::string_view, Value> values_;
  std::vector<Layer> layers_;
  size_t elements_left_ = size_t{1} << 24;
  int64_t padding_id_ = -1;
};

// A float tensor stays as it is stored; others become known numbers when they are used.
Value FromTensor(const OnnxTensor& tensor);
// "activations [1, seq, 384]", "numbers [1, seq]", ...
std::string Describe(const Value* value);
// A float constant of `width` elements along its last dimension, as [width].
std::optional<Constant> VectorOf(const Value* value, int64_t width);
// Numpy's broadcasting; nothing when the shapes do not fit.
std::optional<NumShape> Broadcast(const NumShape& a, const NumShape& b);
// The result is the tokens' plain rows, one after another: [..., seq, width] with all
// other dimensions of 1.
bool IsPlainRows(const Value* value);

}  // namespace tessera::bert_onnx

#endif  // TESSERA_MODELS_BERT_ONNX_TRACE_H_
