#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {
namespace {

constexpr int64_t kMaxWidenedTable = 1 << 20;  // elements

}  // namespace

Status Lowering::LowerGather(const Node& n) {
  const ValueId table = n.inputs[0];
  GatherOp op;
  op.ids = InputIndex(n.inputs[1]);
  if (op.ids < 0 || graph_.value(table).dims.size() != 2)
    return Unimplemented("Gather needs a 2-D table and ids that are a graph input");
  if (graph_.value(table).kind == ValueKind::kConstant) {
    op.table = graph_.value(table).data;
    // Small tables (positions) are read row after row: widened once, a gather is a copy.
    if (op.table.dtype != DType::kF32 && op.table.size() <= kMaxWidenedTable) {
      TESSERA_ASSIGN_OR_RETURN(op.table.data, FloatsOf(table));
      op.table.dtype = DType::kF32;
    }
  } else {
    op.rows = Materialised(table);
  }
  op.table_rows = RowsOfValue(table);
  plan_.bounds.push_back({op.ids, 0, op.table_rows});
  const PlanSize rows = RowsOfValue(n.outputs[0]);
  Chain(rows);
  op.out = NewRows(n.outputs[0]);
  Emit(rows, n.name, std::move(op));
  return OkStatus();
}

Status Lowering::LowerCacheWrite(const Node& n) {
  CacheWriteOp op;
  op.state = StateIndex(n.inputs[0]);
  op.slot = InputIndex(n.inputs[2]);
  op.position = InputIndex(n.inputs[3]);
  if (op.state < 0 || op.slot < 0 || op.position < 0)
    return Unimplemented("CacheWrite needs a state and indices that are graph inputs");
  // In place, so nothing may read the state from before this write afterwards.
  for (int consumer : consumers_[n.inputs[0]])
    if (!done_[consumer]) return Unimplemented("a state is read after it was written");
  state_of_[n.outputs[0]] = op.state;
  const std::vector<PlanDim>& dims = plan_.states[op.state].dims;
  plan_.bounds.push_back({op.slot, 0, {dims[0]}});
  plan_.bounds.push_back({op.position, 0, {dims[1]}});
  const PlanSize rows = RowsOfValue(n.inputs[1]);
  if (graph_.value(graph_.states()[op.state]).state.use != StateUse::kRows) {
    const Rows in = Materialised(n.inputs[1]);
    plan_.whole_writes.push_back({op.slot, op.position});
    plan_.steps.push_back({PackStateStep{in, rows, op.state, op.slot}, n.name});
    return OkStatus();
  }
  Chain(rows);
  op.in = Use(n.inputs[1]);
  Emit(rows, n.name, std::move(op));
  return OkStatus();
}

}  // namespace tessera::cpu
