#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Status Lowering::LowerLstm(const Node& n) {
  const ValueId x = n.inputs[0], y = n.outputs[0];
  const auto constant = [&](size_t i) {
    return n.inputs[i] == kNoValue || graph_.value(n.inputs[i]).kind == ValueKind::kConstant;
  };
  if (!constant(1) || !constant(2) || !constant(3))
    return Unimplemented("Lstm weights must be constants");
  const auto data = [&](size_t i) {
    return n.inputs[i] == kNoValue ? View{} : graph_.value(n.inputs[i]).data;
  };
  LstmStep step;
  step.hidden = ColumnsOf(y);
  step.steps = ToPlanDim(graph_.value(x).dims[0]);
  step.batch = ToPlanDim(graph_.value(x).dims[1]);
  if (!rows_.contains(n.inputs[4]))
    return Unimplemented("the state of an Lstm must be an f32 input or a node's result");
  // The input's part of all gates at once, as one matrix product.
  const PlanSize rows = RowsOfValue(x);
  const Precision precision = PrecisionOf(n);
  LinearOp product;
  product.weights = AddLinear(n.name + " input", {{data(1), data(3)}}, precision);
  Chain(rows);
  if (precision == Precision::kF32 && !norm_of_.contains(x)) {
    product.direct = true;
    product.in = Use(x);
  } else {
    TESSERA_ASSIGN_OR_RETURN(product.activations, Prepare(x, precision, rows));
  }
  const int step_index = static_cast<int>(plan_.steps.size());
  allocations_.push_back({.rows = rows,
                          .columns = 4 * step.hidden,
                          .first_step = step_index,
                          .last_step = step_index + 1});
  step.gates = {.offset = static_cast<int64_t>(allocations_.size()) - 1,
                .ld = 4 * step.hidden,
                .columns = 4 * step.hidden};
  product.out = step.gates;
  Emit(rows, n.name + " input", std::move(product));
  CloseChain();
  step.state = Use(n.inputs[4]);
  step.weights = AddLinear(n.name + " state", {{data(2), View{}}}, Precision::kF32);
  step.out = NewRows(y);
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

}  // namespace tessera::cpu
