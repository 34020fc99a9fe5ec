// Magnitude and the LSTM as ONNX nodes.
#include <algorithm>

#include "graph/onnx/lowering.h"

namespace tessera::onnx {

void Lowering::LowerMagnitude(const Node& node) {
  const int64_t n = graph_.value(node.outputs[0]).dims.back().add;
  const Name x = ReadF32(node.inputs[0]);
  const Name axis = Int64s({-1});
  const auto squares = [&](int64_t begin) {
    const Name half = Emit("Slice", {x, Int64s({begin}), Int64s({begin + n}), axis});
    return Emit("Mul", {half, half});
  };
  const Name re = squares(0), im = squares(n);
  EmitResult(node.outputs[0], "Sqrt", {Emit("Add", {re, im})});
}

Result<Lowering::Name> Lowering::LstmWeight(ValueId id, int64_t zeros) {
  const Value& value = graph_.value(id);
  if (value.kind != ValueKind::kConstant) {
    return Unimplemented("ONNX export: the weights of an Lstm must be constants");
  }
  TESSERA_ASSIGN_OR_RETURN(const Tensor ours, ToF32Tensor(value.data));
  const int64_t block = ours.size() / 4;
  Shape shape = ours.shape();
  shape[0] += zeros;
  shape.insert(shape.begin(), 1);
  Tensor theirs = Tensor::Zeros(DType::kF32, std::move(shape));
  constexpr int64_t kOurGate[4] = {0, 3, 1, 2};
  for (int64_t gate = 0; gate < 4; ++gate) {
    std::copy_n(ours.As<float>() + kOurGate[gate] * block, block,
                theirs.As<float>() + gate * block);
  }
  return FloatConstant(value.name + "/iofc", theirs);
}

Status Lowering::LowerLstm(const Node& node) {
  const int64_t hidden = graph_.value(node.inputs[2]).dims[1].add;
  TESSERA_ASSIGN_OR_RETURN(const Name w, LstmWeight(node.inputs[1], 0));
  TESSERA_ASSIGN_OR_RETURN(const Name r, LstmWeight(node.inputs[2], 0));
  Name bias;
  if (node.inputs[3] != kNoValue) {
    // ONNX adds a bias for the input and one for the recurrence; ours is their sum.
    TESSERA_ASSIGN_OR_RETURN(bias, LstmWeight(node.inputs[3], 4 * hidden));
  }
  const Name state = ReadF32(node.inputs[4]), first = Int64s({0});
  const Name hidden_0 = Emit("Slice", {state, Int64s({0}), Int64s({1}), first});
  const Name cell_0 = Emit("Slice", {state, Int64s({1}), Int64s({2}), first});
  const Name all = Unique(scope_ + "/hidden"), last_cell = Unique(scope_ + "/last_cell");
  writer_->AddNode("LSTM", all, {ReadF32(node.inputs[0]), w, r, bias, "", hidden_0, cell_0},
                   {all, "", last_cell}, {{"hidden_size", hidden}});
  const Name rows = Emit("Squeeze", {all, Int64s({1})});  // [steps, directions = 1, batch, h]
  EmitResult(node.outputs[0], "Concat", {rows, last_cell}, {{"axis", int64_t{0}}});
  return OkStatus();
}

}  // namespace tessera::onnx
