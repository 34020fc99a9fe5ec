#include "graph/graph.h"

namespace tessera {
namespace {

// Elementary operations an element, erf and sqrt counted as one each.
constexpr double kLayerNormOps = 7;  // mean, centre, square, sum, scale by 1/sigma, gamma, beta
constexpr double kGeluOps = 5;
constexpr double kSoftmaxOps = 5;  // scale, max, subtract, exp, divide
constexpr double kSigmoidOps = 3;  // exp, add, divide
constexpr double kMagnitudeOps = 4;
// Of one cell: the sums of its four gates, three sigmoids, two tanh of five, four for the states.
constexpr double kLstmCellOps = 4 + 3 * kSigmoidOps + 2 * 5 + 4;

double Product(const Shape& shape) {
  double product = 1;
  for (int64_t size : shape) product *= static_cast<double>(size);
  return product;
}

}  // namespace

Result<double> NodeFlops(const Graph& graph, const Node& node, const DimBindings& bindings) {
  std::vector<Shape> in;
  for (ValueId id : node.inputs) {
    in.emplace_back();
    if (id == kNoValue) continue;
    TESSERA_ASSIGN_OR_RETURN(in.back(), EvaluateDims(graph.value(id).dims, bindings));
  }
  TESSERA_ASSIGN_OR_RETURN(const Shape out,
                           EvaluateDims(graph.value(node.outputs[0]).dims, bindings));
  const double elements = Product(out);
  const auto has_bias = [&] { return node.inputs.size() > 2 && node.inputs[2] != kNoValue; };
  switch (node.op) {
    case OpKind::kLinear:
      return elements * (2.0 * static_cast<double>(in[1][1]) + (has_bias() ? 1 : 0));
    case OpKind::kConv1d:
      return elements * (2.0 * static_cast<double>(in[1][1]) * static_cast<double>(in[1][2]) +
                         (has_bias() ? 1 : 0));
    case OpKind::kLayerNorm:
      return elements * kLayerNormOps;
    case OpKind::kGelu:
      return elements * kGeluOps;
    case OpKind::kAdd:
    case OpKind::kRelu:
      return elements;
    case OpKind::kSigmoid:
      return elements * kSigmoidOps;
    case OpKind::kMagnitude:
      return elements * kMagnitudeOps;
    case OpKind::kLstm: {
      // The last row of the output costs nothing.
      const double cells = Product({in[0][0], in[0][1], in[2][1]});
      return cells * (8.0 * static_cast<double>(in[0][2] + in[2][1]) + kLstmCellOps +
                      (node.inputs[3] != kNoValue ? 4 : 0));
    }
    case OpKind::kAttention:
    case OpKind::kCachedAttention: {
      const auto heads =
          static_cast<double>(std::get<AttentionAttributes>(node.attributes).num_heads);
      // A paged history may be bound shorter than the cache; otherwise the capacity is the upper
      // bound.
      const int64_t keys =
          node.op == OpKind::kCachedAttention && in[3].size() == 2 ? in[3][1] : in[1][1];
      const double queries = elements / static_cast<double>(out.back());
      return static_cast<double>(keys) * (4.0 * elements + kSoftmaxOps * queries * heads);
    }
    case OpKind::kRaggedAttention: {
      // One sequence of all tokens is the upper bound.
      const auto heads =
          static_cast<double>(std::get<AttentionAttributes>(node.attributes).num_heads);
      const auto tokens = static_cast<double>(in[0][0]);
      return tokens * (4.0 * elements + kSoftmaxOps * tokens * heads);
    }
    case OpKind::kGather:
    case OpKind::kCacheWrite:
    case OpKind::kSlice:
      return 0.0;
  }
  return Internal("no cost rule for op " + std::to_string(static_cast<int>(node.op)));
}

Result<GraphCost> EstimateCost(const Graph& graph, const DimBindings& bindings) {
  GraphCost cost;
  cost.nodes = static_cast<int64_t>(graph.nodes().size());
  for (const Node& node : graph.nodes()) {
    auto flops = NodeFlops(graph, node, bindings);
    if (!flops.ok()) return std::move(flops).status().AddContext("node '" + node.name + "'");
    cost.flops += *flops;
  }
  for (const Value& value : graph.values()) {
    if (value.kind == ValueKind::kConstant) {
      cost.weight_bytes += static_cast<double>(value.data.bytes());
    }
  }
  return cost;
}

}  // namespace tessera
