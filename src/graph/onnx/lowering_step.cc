// Cached attention of one token in the step form.
#include "graph/onnx/lowering.h"

namespace tessera::onnx {

Lowering::Name Lowering::HeadColumns(int64_t num_heads, int64_t width, float value) {
  Name& name = shared_["heads " + std::to_string(num_heads) + " " + std::to_string(width) + " " +
                       std::to_string(value)];
  if (!name.empty()) return name;
  Tensor columns = Tensor::Zeros(DType::kF32, {num_heads, width});
  const int64_t head_dim = width / num_heads;
  for (int64_t head = 0; head < num_heads; ++head)
    std::fill_n(columns.As<float>() + head * (width + head_dim), head_dim, value);
  name = Unique("constants/heads");
  writer_->AddInitializer(name, columns.ViewOf());
  return name;
}

// Keys and values stay as the host has them, [rows, width], since moving the past of every layer
// into heads would cost more than attending to it. Instead the one query becomes a row for each
// head, with zeros in the columns of the others: one product gives the scores of all heads.
void Lowering::LowerStepAttention(const Node& node) {
  const auto& attention = std::get<AttentionAttributes>(node.attributes);
  const int64_t width = graph_.value(node.inputs[0]).dims[1].add;
  const auto past_of = [&](ValueId cache) {
    const Value& value = graph_.value(cache);
    const ValueId state =
        value.kind == ValueKind::kState ? cache : graph_.nodes()[value.producer].inputs[0];
    return step_->FindPast(state);
  };
  const StepForm::Past* const keys = past_of(node.inputs[1]);
  const StepForm::Past* const values = past_of(node.inputs[2]);
  const StepForm::Mask* const mask = step_->FindMask(keys->length, keys->rows, keys->own_row);

  const std::vector<Attribute> transposed = {{"transB", int64_t{1}}};
  const Name q = Emit(
      "Mul", {ReadF32(node.inputs[0]), HeadColumns(attention.num_heads, width, attention.scale)});
  Name scores = Emit("Add", {Emit("Gemm", {q, keys->name}, transposed), mask->name});
  const auto softmax = [&] { return Emit("Softmax", {scores}, {{"axis", int64_t{-1}}}); };
  Name sum;
  if (keys->own_row) {
    const auto own = [&](ValueId cache) {
      return ReadF32(graph_.nodes()[graph_.value(cache).producer].inputs[1]);
    };
    const Name own_score = Emit("Gemm", {q, own(node.inputs[1])}, transposed);
    scores = Emit("Concat", {scores, own_score}, {{"axis", int64_t{1}}});
    const Name weights = softmax();
    const Name axis = Int64s({1}), end = Int64s({keys->rows});
    const Name past = Emit("Slice", {weights, Int64s({0}), end, axis});
    const Name last = Emit("Slice", {weights, end, Int64s({keys->rows + 1}), axis});
    sum = Emit("Add",
               {Emit("MatMul", {past, values->name}), Emit("MatMul", {last, own(node.inputs[2])})});
  } else {
    sum = Emit("MatMul", {softmax(), values->name});
  }
  const Name kept = Emit("Mul", {sum, HeadColumns(attention.num_heads, width, 1.0f)});
  EmitResult(node.outputs[0], "ReduceSum", {kept, Int64s({0})}, {{"keepdims", int64_t{1}}});
}

}  // namespace tessera::onnx
