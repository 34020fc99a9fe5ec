#include <algorithm>

#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Result<kernels::LayerNormWeights> Lowering::NormWeightsOf(const Node& n) {
  kernels::LayerNormWeights w;
  TESSERA_ASSIGN_OR_RETURN(w.gamma, FloatsOf(n.inputs[1]));
  TESSERA_ASSIGN_OR_RETURN(w.beta, FloatsOf(n.inputs[2]));
  w.d = ColumnsOf(n.inputs[0]);
  w.epsilon = std::get<LayerNormAttributes>(n.attributes).epsilon;
  return w;
}

// Folded into the conversion to activations where a Linear comes first. Others may read the norm
// as well (in post-norm layers the next residual does): the conversion then writes f32 rows too,
// which costs less than a pass of its own. In f32 those rows are the activations.
Status Lowering::LowerLayerNorm(int index) {
  const Node& n = node(index);
  const ValueId x = n.inputs[0], y = n.outputs[0];
  const std::vector<int>& readers = consumers_[y];
  const auto is_linear = [&](int c) { return node(c).op == OpKind::kLinear; };
  const bool only_linears = std::all_of(readers.begin(), readers.end(), is_linear);
  const bool linear_first = !readers.empty() && is_linear(readers.front()) &&
                            PrecisionOf(node(readers.front())) != Precision::kF32;
  if (!IsOutput(y) && (only_linears || linear_first)) {
    norm_of_[y] = index;
    if (!only_linears) norm_rows_.insert(y);
    return OkStatus();
  }
  TESSERA_ASSIGN_OR_RETURN(kernels::LayerNormWeights norm, NormWeightsOf(n));
  const PlanSize rows = RowsOfValue(x);
  Chain(rows);
  const Rows in = Use(x);
  Emit(rows, n.name, LayerNormOp{norm, in, NewRows(y)});
  return OkStatus();
}

// The activations of value `x` in the open chain, made once however many layers read them.
Result<Activations> Lowering::Prepare(ValueId x, Precision precision, const PlanSize& rows) {
  Chain(rows);
  if (const auto it = prepared_.find({x, precision}); it != prepared_.end()) return it->second;
  PrepareOp op;
  std::string name = "to " + std::string(kernels::PrecisionName(precision));
  ValueId source = x;
  if (const auto it = norm_of_.find(x); it != norm_of_.end()) {
    const Node& norm = node(it->second);
    TESSERA_ASSIGN_OR_RETURN(op.norm, NormWeightsOf(norm));
    source = norm.inputs[0];
    name = norm.name;
  }
  op.in = Use(source);
  if (const auto it = factors_.find(x); it != factors_.end()) op.factors = it->second.data;
  op.out = NewActivations(*chain_, precision, ColumnsOf(x));
  if (norm_rows_.erase(x) > 0) {
    op.rows = NewRows(x);
    norm_of_.erase(x);  // from here on a value like any other
  }
  prepared_[{x, precision}] = op.out;
  const Activations out = op.out;
  Emit(rows, name, std::move(op));
  return out;
}

ValueId Lowering::FuseEpilogue(int index, LinearOp& op, const PlanSize& rows) {
  ValueId y = node(index).outputs[0];
  if (const int gelu = SoleConsumer(y, OpKind::kGelu); gelu >= 0) {
    op.activation = kernels::Activation::kGelu;
    done_[gelu] = true;
    y = node(gelu).outputs[0];
  }
  if (const int add = SoleConsumer(y, OpKind::kAdd); add >= 0) {
    const Node& n = node(add);
    const ValueId other = n.inputs[0] == y ? n.inputs[1] : n.inputs[0];
    // The residual must be there already, with one row for each of ours or fewer that repeat.
    const PlanSize other_rows = RowsOfValue(other);
    const bool repeats = other_rows.size() < rows.size() &&
                         std::equal(other_rows.rbegin(), other_rows.rend(), rows.rbegin());
    if (rows_.contains(other) && (other_rows == rows || repeats) &&
        ColumnsOf(other) == ColumnsOf(y)) {
      op.residual = Use(other);
      if (repeats) op.residual_rows = other_rows;
      done_[add] = true;
      y = n.outputs[0];
      // The sum takes the residual's place where nobody looks at that again.
      if (!repeats && op.residual.place == Place::kNone && !IsOutput(y) && !IsOutput(other) &&
          NobodyReads(other, index))
        rows_[y] = op.residual;
    }
  }
  return y;
}

bool Lowering::NobodyReads(ValueId v, int index) const {
  const auto is_lowered = [&](int c) { return c <= index || done_[c]; };
  return std::ranges::all_of(consumers_[v], [&](int c) {
    if (!is_lowered(c)) return false;
    // A folded norm reads when its own readers do.
    return !norm_of_.contains(node(c).outputs[0]) ||
           std::ranges::all_of(consumers_[node(c).outputs[0]], is_lowered);
  });
}

Status Lowering::LowerLinear(int index) {
  const Node& first = node(index);
  const ValueId x = first.inputs[0];
  const Precision precision = PrecisionOf(first);
  const PlanSize rows = RowsOfValue(x);
  // Neighbours in the list that read the same value become one matrix product.
  std::vector<int> group = {index};
  for (int j = index + 1; j < static_cast<int>(graph_.nodes().size()); ++j) {
    const Node& n = node(j);
    if (n.op != OpKind::kLinear || n.inputs[0] != x || PrecisionOf(n) != precision || done_[j])
      break;
    group.push_back(j);
  }
  if (std::any_of(group.begin(), group.end(), [&](int i) { return IsOutput(node(i).outputs[0]); }))
    group.resize(1);

  std::vector<kernels::LinearSource> sources;
  for (int i : group) {
    const Node& n = node(i);
    const Value& weight = graph_.value(n.inputs[1]);
    const bool has_bias = n.inputs.size() > 2 && n.inputs[2] != kNoValue;
    if (weight.kind != ValueKind::kConstant ||
        (has_bias && graph_.value(n.inputs[2]).kind != ValueKind::kConstant))
      return Unimplemented("Linear weights must be constants");
    sources.push_back({weight.data, has_bias ? graph_.value(n.inputs[2]).data : View{}});
    done_[i] = true;
  }
  InputFactors factors;
  if (precision == Precision::kInt8) {
    TESSERA_ASSIGN_OR_RETURN(factors, FactorsOf(x, first.name, sources));
  }
  LinearOp op;
  op.weights = AddLinear(first.name, std::move(sources), precision, factors);
  Chain(rows);
  if (precision == Precision::kF32 && !norm_of_.contains(x)) {
    op.direct = true;
    op.in = Use(x);
  } else {
    TESSERA_ASSIGN_OR_RETURN(op.activations, Prepare(x, precision, rows));
  }
  if (group.size() == 1) {
    const ValueId y = FuseEpilogue(index, op, rows);
    op.out = rows_.contains(y) ? Use(y) : NewRows(y);
  } else {
    // One array for all; each value is a range of its columns.
    int64_t columns = 0;
    Rows whole = NewRows(first.outputs[0]);
    for (int i : group) {
      const ValueId y = node(i).outputs[0];
      Rows part = whole;
      part.column = columns;
      part.columns = ColumnsOf(y);
      columns += part.columns;
      rows_[y] = part;
    }
    // Attention reads such an array head by head. An odd number of cache lines from row to row
    // spreads a head over all sets of the caches; a power of two would fold it onto a few.
    constexpr int64_t kLineFloats = 64 / sizeof(float);
    const int64_t ld =
        (columns + kLineFloats - 1) / kLineFloats / 2 * 2 * kLineFloats + kLineFloats;
    allocations_[whole.offset].columns = ld;
    for (int i : group) rows_[node(i).outputs[0]].ld = ld;
    whole.ld = ld;
    whole.columns = columns;
    op.out = whole;
  }
  Emit(rows, first.name, std::move(op));
  return OkStatus();
}

}  // namespace tessera::cpu
