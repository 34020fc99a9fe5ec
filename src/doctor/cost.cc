#include "doctor/cost.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tessera::doctor {
namespace {

double CountOf(const ValueFacts& facts) {
  return static_cast<double>(facts.ElementCount().value_or(0));
}

double Dim(const ValueFacts& facts, size_t from_end) {
  if (!facts.shape || facts.shape->size() <= from_end) return 0;
  const Number& n = (*facts.shape)[facts.shape->size() - 1 - from_end];
  return n.is_int() ? static_cast<double>(n.value()) : 0;
}

int64_t IntAttribute(const OnnxNode& node, std::string_view name, int64_t otherwise) {
  const OnnxAttribute* a = node.FindAttribute(name);
  return a != nullptr && a->type == 2 ? a->i : otherwise;
}

// Operations that only move or rename elements.
constexpr std::string_view kMoves[] = {
    "Cast",         "CastLike",        "Concat",          "Constant", "Dropout",  "Expand",
    "Flatten",      "Gather",          "GatherElements",  "GatherND", "Identity", "Pad",
    "Reshape",      "ScatterElements", "ScatterND",       "Shape",    "Size",     "Slice",
    "SpaceToDepth", "DepthToSpace",    "Split",           "Squeeze",  "Tile",     "Transpose",
    "Trilu",        "Unsqueeze",       "ConstantOfShape", "Range"};

// Per element of the result, as a scalar program would do them.
double PerElement(std::string_view op) {
  if (op == "Softmax" || op == "LogSoftmax") return 5;
  if (op == "LayerNormalization" || op == "InstanceNormalization" || op == "GroupNormalization" ||
      op == "SkipLayerNormalization" || op == "EmbedLayerNormalization") {
    return 8;
  }
  if (op == "Gelu" || op == "FastGelu" || op == "Erf" || op == "Tanh") return 10;
  return 1;
}

}  // namespace

NodeCost CostOf(const OnnxNode& node, const Inference& inference) {
  NodeCost cost;
  static const ValueFacts kNothing;
  const auto in = [&](size_t i) -> const ValueFacts& {
    return i < node.inputs.size() && !node.inputs[i].empty() ? inference.Find(node.inputs[i])
                                                             : kNothing;
  };
  for (const std::string_view name : node.inputs) {
    if (name.empty()) continue;
    const ValueFacts& facts = inference.Find(name);
    const std::optional<int64_t> bytes = facts.Bytes();
    cost.known = cost.known && bytes.has_value();
    (facts.constant ? cost.weight_bytes : cost.value_bytes) +=
        static_cast<double>(bytes.value_or(0));
  }
  for (const std::string_view name : node.outputs) {
    if (name.empty()) continue;
    const std::optional<int64_t> bytes = inference.Find(name).Bytes();
    cost.known = cost.known && bytes.has_value();
    cost.value_bytes += static_cast<double>(bytes.value_or(0));
  }
  const ValueFacts& out = node.outputs.empty() ? kNothing : inference.Find(node.outputs.front());
  const std::string_view op = node.op_type;
  if (op == "MatMul" || op == "MatMulInteger" || op == "FusedMatMul" ||
      op == "MatMulIntegerToFloat" || op == "DynamicQuantizeMatMul") {
    const bool transposed = IntAttribute(node, "transA", 0) != 0;
    cost.flops = 2 * CountOf(out) * Dim(in(0), transposed ? 1 : 0);
  } else if (op == "QLinearMatMul") {
    cost.flops = 2 * CountOf(out) * Dim(in(0), 0);
  } else if (op == "MatMulNBits") {
    cost.flops = 2 * CountOf(out) * static_cast<double>(IntAttribute(node, "K", 0));
  } else if (op == "Gemm") {
    cost.flops = 2 * CountOf(out) * Dim(in(0), IntAttribute(node, "transA", 0) != 0 ? 1 : 0);
  } else if (op == "Conv" || op == "ConvInteger" || op == "QLinearConv" || op == "ConvTranspose") {
    const ValueFacts& weight = in(op == "QLinearConv" ? 3 : 1);
    const double outputs = Dim(weight, weight.shape ? weight.shape->size() - 1 : 0);
    const double taps = outputs > 0 ? CountOf(weight) / outputs : 0;
    cost.flops = 2 * taps * CountOf(op == "ConvTranspose" ? in(0) : out);
  } else if (op == "LSTM" || op == "GRU" || op == "RNN") {
    const double steps = Dim(in(0), 2) * Dim(in(0), 1);
    cost.flops = 2 * steps * (CountOf(in(1)) + CountOf(in(2)));
  } else if (op == "Attention" || op == "MultiHeadAttention" || op == "GroupQueryAttention") {
    // Scores and weighted values of [batch, seq, width] over as many keys.
    const bool packed = node.domain == "com.microsoft" && op == "Attention";
    const double seq = Dim(in(0), 1), width = Dim(out, 0), batch = Dim(in(0), 2);
    const double keys = packed || !in(1).shape ? seq : Dim(in(1), 1);
    cost.flops = 4 * batch * seq * keys * width;
    if (packed) cost.flops += 2 * batch * seq * CountOf(in(1));
  } else if (op.starts_with("Reduce") || op.starts_with("Arg") || op.ends_with("Pool")) {
    cost.flops = CountOf(in(0));
  } else if (std::find(std::begin(kMoves), std::end(kMoves), op) == std::end(kMoves)) {
    cost.flops = PerElement(op) * CountOf(out);
  }
  return cost;
}

}  // namespace tessera::doctor
