#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Status Lowering::LowerAdd(const Node& n) {
  const ValueId a = n.inputs[0], b = n.inputs[1];
  const PlanSize rows = RowsOfValue(n.outputs[0]);
  const PlanSize b_rows = RowsOfValue(b);
  if (graph_.value(b).kind == ValueKind::kConstant && rows_.contains(a) && RowsOfValue(a) == rows &&
      graph_.value(b).data.size() == ColumnsOf(a) && ColumnsOf(b) == ColumnsOf(a)) {
    Chain(rows);
    AddOp op{.a = Use(a)};
    TESSERA_ASSIGN_OR_RETURN(op.constant, FloatsOf(b));
    op.out = NewRows(n.outputs[0]);
    Emit(rows, n.name, std::move(op));
    return OkStatus();
  }
  if (!rows_.contains(a) || !rows_.contains(b) || RowsOfValue(a) != rows ||
      ColumnsOf(a) != ColumnsOf(b))
    return Unimplemented("Add of these shapes");
  // A smaller b repeats; it is read at other rows than the one being computed.
  const bool repeats = b_rows != rows;
  const Rows b_in = repeats ? Materialised(b) : Rows{};
  Chain(rows);
  AddOp op{Use(a), repeats ? b_in : Use(b), {}, b_rows};
  op.out = NewRows(n.outputs[0]);
  Emit(rows, n.name, std::move(op));
  return OkStatus();
}

Status Lowering::LowerElementwise(const Node& n) {
  const PlanSize rows = RowsOfValue(n.outputs[0]);
  Chain(rows);
  const Rows in = Use(n.inputs[0]);
  Emit(rows, n.name, ElementwiseOp{n.op, in, NewRows(n.outputs[0])});
  return OkStatus();
}

// A part of the rows is an array of its own that begins further on.
Status Lowering::LowerSlice(const Node& n) {
  const ValueId y = n.outputs[0];
  if (IsOutput(y)) return Unimplemented("a Slice as output of the graph");
  if (graph_.value(y).dims.size() < 2) return Unimplemented("Slice of a vector");
  Rows rows = Materialised(n.inputs[0]);
  int64_t row_count = std::get<SliceAttributes>(n.attributes).front;
  const Dims& dims = graph_.value(y).dims;
  for (size_t i = 1; i + 1 < dims.size(); ++i) {
    if (!dims[i].IsConstant() && row_count > 0)
      return Unimplemented("Slice behind rows of a size that varies");
    row_count *= dims[i].add;
  }
  rows.column += row_count * rows.ld;
  rows_[y] = rows;
  return OkStatus();
}

}  // namespace tessera::cpu
