#include "providers/cpu/lowering.h"

#include <algorithm>

#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Status Lowering::CollectInterface() {
  plan_.symbols = graph_.Symbols();
  for (const std::string& symbol : plan_.symbols) {
    const auto it = options_.max_dims.find(symbol);
    if (it == options_.max_dims.end() || it->second < 1)
      return InvalidArgument(graph_.name() + ": the symbol \"" + symbol +
                             "\" needs an upper bound of at least 1");
    plan_.max_symbols.push_back(it->second);
  }
  auto spec = [&](ValueId v, const std::string& name) {
    InputSpec s{name, graph_.value(v).dtype, {}};
    for (const Dim& d : graph_.value(v).dims) s.dims.push_back(ToPlanDim(d));
    return s;
  };
  for (size_t i = 0; i < graph_.inputs().size(); ++i) {
    const ValueId v = graph_.inputs()[i];
    plan_.inputs.push_back(spec(v, graph_.value(v).name));
    if (graph_.value(v).dtype == DType::kF32) {
      const int64_t columns = ColumnsOf(v);
      rows_[v] = {.place = Place::kInput,
                  .offset = static_cast<int64_t>(i),
                  .ld = columns,
                  .columns = columns};
    }
  }
  for (const GraphOutput& out : graph_.outputs()) {
    if (graph_.value(out.value).kind != ValueKind::kNode || IsOutput(out.value))
      return Unimplemented(graph_.name() + ": output " + out.name +
                           " must be a node's result of its own");
    output_of_[out.value] = static_cast<int>(plan_.outputs.size());
    plan_.outputs.push_back(spec(out.value, out.name));
  }
  for (ValueId v : graph_.states()) {
    state_of_[v] = static_cast<int>(plan_.states.size());
    plan_.states.push_back(spec(v, graph_.value(v).name));
  }
  consumers_.resize(graph_.values().size());
  for (size_t i = 0; i < graph_.nodes().size(); ++i)
    for (ValueId v : node(static_cast<int>(i)).inputs)
      if (v != kNoValue) consumers_[v].push_back(static_cast<int>(i));
  done_.resize(graph_.nodes().size());
  return OkStatus();
}

Result<Plan> Lowering::Run() {
  TESSERA_RETURN_IF_ERROR(CollectInterface());
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    if (done_[i]) continue;
    done_[i] = true;
    Status status = LowerNode(static_cast<int>(i));
    if (!status.ok()) return std::move(status).AddContext(graph_.name() + ": " + node(i).name);
  }
  CloseChain();
  PlanMemory(plan_, allocations_);

  TESSERA_RETURN_IF_ERROR(PackAll());
  for (const auto& linear : plan_.linears) plan_.weight_bytes += linear->bytes.size();
  return std::move(plan_);
}

Status Lowering::LowerNode(int index) {
  const Node& n = node(index);
  const ValueId x = n.inputs[0];
  switch (n.op) {
    case OpKind::kLayerNorm:
      return LowerLayerNorm(index);
    case OpKind::kGelu: {
      const PlanSize rows = RowsOfValue(x);
      Chain(rows);
      const Rows in = Use(x);
      Emit(rows, n.name, GeluOp{in, NewRows(n.outputs[0])});
      return OkStatus();
    }
    case OpKind::kLinear:
      return LowerLinear(index);
    case OpKind::kConv1d:
      return LowerConv1d(index);
    case OpKind::kAdd:
      return LowerAdd(n);
    case OpKind::kAttention:
      return LowerAttention(n);
    case OpKind::kRaggedAttention:
      return LowerRaggedAttention(n);
    case OpKind::kGather:
      return LowerGather(n);
    case OpKind::kCacheWrite:
      return LowerCacheWrite(n);
    case OpKind::kCachedAttention:
      return LowerCachedAttention(n);
    case OpKind::kRelu:
    case OpKind::kSigmoid:
    case OpKind::kMagnitude:
      return LowerElementwise(n);
    case OpKind::kSlice:
      return LowerSlice(n);
    case OpKind::kLstm:
      return LowerLstm(n);
  }
  return Unimplemented("no CPU kernel for " + std::string(OpName(n.op)));
}

Result<Plan> LowerGraph(const Graph& graph, const CompileOptions& options, ThreadPool& pool) {
  return Lowering(graph, options, pool).Run();
}

}  // namespace tessera::cpu
