#include "providers/fixed/run_plan.h"

#include <algorithm>

#include "base/check.h"

namespace tessera::fixed {
namespace {

constexpr int64_t kSmallestBucket = 16;

Status CannotCut(const Node& node, const std::string& why) {
  return Unimplemented("'" + node.name + "' (" + std::string(OpName(node.op)) + "): " + why);
}

bool IsSymbol(const Dim& dim) { return dim.mul == 1 && dim.add == 0 && !dim.IsConstant(); }

// Whether no row of a result depends on another row of an input.
bool RowByRow(const Graph& graph, const Node& node) {
  switch (node.op) {
    case OpKind::kConv1d:
    case OpKind::kAttention:
    case OpKind::kSlice:
    case OpKind::kLstm:
    case OpKind::kCachedAttention:
    case OpKind::kRaggedAttention:
      return false;
    case OpKind::kGather:
      return graph.value(node.inputs[0]).kind == ValueKind::kConstant;
    default:
      return true;
  }
}

// The one symbol of a graph whose nodes go row by row; "" when it has others, too.
std::string CommonRows(const Graph& graph) {
  std::string rows;
  for (const Node& node : graph.nodes())
    if (!RowByRow(graph, node)) return "";
  for (const Value& value : graph.values()) {
    const bool written =
        value.kind == ValueKind::kNode &&
        graph.nodes()[static_cast<size_t>(value.producer)].op == OpKind::kCacheWrite;
    if (value.kind == ValueKind::kState || written) continue;
    for (size_t i = 0; i < value.dims.size(); ++i) {
      const Dim& dim = value.dims[i];
      if (dim.IsConstant()) continue;
      if (i > 0 || !IsSymbol(dim) || (!rows.empty() && rows != dim.symbol)) return "";
      rows = dim.symbol;
    }
  }
  return rows;
}

}  // namespace

Result<RunPlan> PlanRuns(const Graph& graph) {
  RunPlan plan;
  for (const Node& node : graph.nodes()) {
    const bool token = node.op == OpKind::kCachedAttention;
    if (!token && node.op != OpKind::kRaggedAttention) continue;
    const RunPlan::Unit unit = token ? RunPlan::Unit::kToken : RunPlan::Unit::kText;
    const Dim& rows = graph.value(node.inputs[0]).dims[0];
    const ValueId offsets = token ? kNoValue : node.inputs[3];
    if (!IsSymbol(rows)) return CannotCut(node, "expected tokens of any number");
    if (plan.unit != RunPlan::Unit::kWhole &&
        (plan.unit != unit || plan.rows != rows.symbol || plan.offsets != offsets))
      return CannotCut(node, "its tokens are others than those of the attention before");
    plan.unit = unit;
    plan.rows = rows.symbol;
    plan.offsets = offsets;
  }
  if (plan.unit == RunPlan::Unit::kWhole) {
    plan.rows = CommonRows(graph);
    return plan;
  }
  for (const Node& node : graph.nodes()) {
    if (RowByRow(graph, node) || node.op == OpKind::kCachedAttention ||
        node.op == OpKind::kRaggedAttention)
      continue;
    const bool picks = node.op == OpKind::kGather && plan.unit == RunPlan::Unit::kToken &&
                       graph.value(node.inputs[1]).kind == ValueKind::kInput &&
                       IsSymbol(graph.value(node.inputs[1]).dims[0]);
    if (!picks || (plan.picks != kNoValue && plan.picks != node.inputs[1]))
      return CannotCut(node, "rows of one unit would depend on another's");
    plan.picks = node.inputs[1];
    plan.picked = graph.value(plan.picks).dims[0].symbol;
  }
  return plan;
}

std::vector<int64_t> TextBuckets(int64_t max_tokens) {
  std::vector<int64_t> buckets;
  for (int64_t size = kSmallestBucket; size < max_tokens; size *= 2) buckets.push_back(size);
  buckets.push_back(max_tokens);
  return buckets;
}

Result<DimBindings> UnitDims(const Graph& graph, const RunPlan& plan, const DimBindings& max_dims,
                             int64_t rows) {
  DimBindings dims;
  for (const std::string& symbol : graph.Symbols()) {
    const auto it = max_dims.find(symbol);
    if (it == max_dims.end() || it->second < 1)
      return InvalidArgument("graph '" + graph.name() + "': no largest size for '" + symbol + "'");
    dims[symbol] = it->second;
  }
  if (!plan.rows.empty()) dims[plan.rows] = rows;
  if (!plan.picked.empty()) dims[plan.picked] = 1;
  if (plan.offsets != kNoValue) {
    const Dim& dim = graph.value(plan.offsets).dims[0];
    if (!dim.IsConstant()) dims[dim.symbol] = 1;
  }
  return dims;
}

}  // namespace tessera::fixed
