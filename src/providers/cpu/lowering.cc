#include "providers/cpu/lowering.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "kernels/conv1d.h"
#include "providers/cpu/memory_plan.h"

namespace tessera::cpu {
namespace {

using kernels::Precision;

constexpr int64_t kMaxWidenedTable = 1 << 20;  // elements

// A Linear to pack once all are known; sources are views into the graph's constants.
struct PackJob {
  std::vector<kernels::LinearSource> sources;
  Precision precision;
  kernels::PackedLinear* result;
};

class Lowering {
 public:
  Lowering(const Graph& graph, const CompileOptions& options, ThreadPool& pool)
      : graph_(graph), options_(options), pool_(pool) {}

  Result<Plan> Run();

 private:
  // Analysis.
  Status CollectInterface();
  Status LowerNode(int index);
  bool IsOutput(ValueId v) const { return output_of_.contains(v); }
  const Node& node(int i) const { return graph_.nodes()[i]; }
  // The only consumer of `v` if it is a not yet lowered node of kind `op`, else -1.
  int SoleConsumer(ValueId v, OpKind op) const;
  PlanDim ToPlanDim(const Dim& dim) const;
  PlanSize RowsOfValue(ValueId v) const;
  int64_t ColumnsOf(ValueId v) const;
  Precision PrecisionOf(const Node& n) const {
    return options_.linear_precision ? options_.linear_precision(n.name) : options_.precision;
  }

  // Arrays. Rows made here name an allocation in `offset`; memory_plan.h resolves them at the end.
  Rows NewRows(ValueId v);
  Rows Use(ValueId v);
  Rows Materialised(ValueId v);
  int InputIndex(ValueId v) const;
  int StateIndex(ValueId v);

  // Steps.
  ChainStep& Chain(const PlanSize& rows);
  void CloseChain();
  void Emit(const PlanSize& rows, const std::string& name, decltype(MicroOp::op) op);

  Status LowerLinear(int index);
  Status LowerConv1d(int index);
  Status LowerAttention(const Node& n);
  Status LowerCachedAttention(const Node& n);
  Status LowerGather(const Node& n);
  Status LowerCacheWrite(const Node& n);
  Status LowerAdd(const Node& n);
  Status LowerElementwise(const Node& n);
  Status LowerSlice(const Node& n);
  Status LowerLstm(const Node& n);
  Result<kernels::LayerNormWeights> NormWeightsOf(const Node& n);
  Result<Activations> Prepare(ValueId x, Precision precision, const PlanSize& rows);
  kernels::PackedLinear* AddLinear(std::vector<kernels::LinearSource> sources, Precision precision);
  // Takes Gelu and Add nodes after node `index` into the epilogue; returns the value that the
  // Linear now writes.
  ValueId FuseEpilogue(int index, LinearOp& op, const PlanSize& rows);

  const Graph& graph_;
  const CompileOptions& options_;
  ThreadPool& pool_;
  Plan plan_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> done_;  // nodes taken into an earlier op
  std::map<ValueId, int> output_of_;
  std::map<ValueId, int> norm_of_;   // folded LayerNorms: output value -> node
  std::map<ValueId, int> state_of_;  // state values and their updated forms -> plan state
  std::map<ValueId, Rows> rows_;     // values that have an array
  std::vector<Allocation> allocations_;
  std::optional<ChainStep> chain_;
  std::map<std::pair<ValueId, Precision>, Activations> prepared_;  // in the open chain
  std::vector<PackJob> jobs_;
};

PlanDim Lowering::ToPlanDim(const Dim& dim) const {
  PlanDim d{.symbol = -1, .mul = dim.mul, .add = dim.add};
  if (dim.IsConstant()) return {.symbol = -1, .mul = 0, .add = dim.add};
  const auto it = std::find(plan_.symbols.begin(), plan_.symbols.end(), dim.symbol);
  d.symbol = static_cast<int>(it - plan_.symbols.begin());
  return d;
}

PlanSize Lowering::RowsOfValue(ValueId v) const {
  PlanSize size;
  const Dims& dims = graph_.value(v).dims;
  for (size_t i = 0; i + 1 < dims.size(); ++i) size.push_back(ToPlanDim(dims[i]));
  return size;
}

int64_t Lowering::ColumnsOf(ValueId v) const { return graph_.value(v).dims.back().add; }

int Lowering::SoleConsumer(ValueId v, OpKind op) const {
  if (IsOutput(v) || consumers_[v].size() != 1) return -1;
  const int c = consumers_[v][0];
  return node(c).op == op && !done_[c] ? c : -1;
}

int Lowering::InputIndex(ValueId v) const {
  const auto it = std::find(graph_.inputs().begin(), graph_.inputs().end(), v);
  return it == graph_.inputs().end() ? -1 : static_cast<int>(it - graph_.inputs().begin());
}

int Lowering::StateIndex(ValueId v) {
  const auto it = state_of_.find(v);
  return it == state_of_.end() ? -1 : it->second;
}

Rows Lowering::NewRows(ValueId v) {
  Allocation a;
  a.rows = RowsOfValue(v);
  a.columns = ColumnsOf(v);
  a.first_step = a.last_step = static_cast<int>(plan_.steps.size());
  if (const auto it = output_of_.find(v); it != output_of_.end()) a.output = it->second;
  allocations_.push_back(a);
  const Rows rows{.offset = static_cast<int64_t>(allocations_.size()) - 1,
                  .ld = a.columns,
                  .columns = a.columns};
  rows_[v] = rows;
  return rows;
}

Rows Lowering::Use(ValueId v) {
  const auto it = rows_.find(v);
  TESSERA_CHECK(it != rows_.end());
  if (it->second.place == Place::kInput) return it->second;
  Allocation& a = allocations_[it->second.offset];
  a.last_step = static_cast<int>(plan_.steps.size());
  return it->second;
}

// For readers that look at other rows than the one being computed.
Rows Lowering::Materialised(ValueId v) {
  CloseChain();
  return Use(v);
}

ChainStep& Lowering::Chain(const PlanSize& rows) {
  if (chain_ && chain_->rows != rows) CloseChain();
  if (!chain_) chain_ = ChainStep{.rows = rows};
  return *chain_;
}

void Lowering::CloseChain() {
  if (!chain_) return;
  std::string name = chain_->ops.front().node;
  if (chain_->ops.size() > 1) name += " .. " + chain_->ops.back().node;
  plan_.steps.push_back({std::move(*chain_), std::move(name)});
  chain_.reset();
  prepared_.clear();
}

void Lowering::Emit(const PlanSize& rows, const std::string& name, decltype(MicroOp::op) op) {
  Chain(rows).ops.push_back({std::move(op), name});
}

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

  std::vector<Status> failures(jobs_.size());
  pool_.ParallelFor(static_cast<int64_t>(jobs_.size()), [&](int64_t i, int) {
    Result<kernels::PackedLinear> packed =
        kernels::PackLinear(jobs_[i].sources, jobs_[i].precision);
    if (packed.ok()) {
      *jobs_[i].result = std::move(packed).value();
    } else {
      failures[i] = packed.status();
    }
  });
  for (Status& failure : failures)
    if (!failure.ok()) return std::move(failure).AddContext(graph_.name());
  for (const auto& linear : plan_.linears) plan_.weight_bytes += linear->storage.bytes();
  return std::move(plan_);
}

Status Lowering::LowerNode(int index) {
  const Node& n = node(index);
  const ValueId x = n.inputs[0];
  switch (n.op) {
    case OpKind::kLayerNorm: {
      const ValueId y = n.outputs[0];
      const bool only_linears =
          !IsOutput(y) && std::all_of(consumers_[y].begin(), consumers_[y].end(),
                                      [&](int c) { return node(c).op == OpKind::kLinear; });
      if (only_linears) {
        norm_of_[y] = index;
        return OkStatus();
      }
      TESSERA_ASSIGN_OR_RETURN(kernels::LayerNormWeights norm, NormWeightsOf(n));
      const PlanSize rows = RowsOfValue(x);
      Chain(rows);
      const Rows in = Use(x);
      Emit(rows, n.name, LayerNormOp{norm, in, NewRows(y)});
      return OkStatus();
    }
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

Result<kernels::LayerNormWeights> Lowering::NormWeightsOf(const Node& n) {
  kernels::LayerNormWeights w;
  const float* data[2];
  for (int i = 0; i < 2; ++i) {
    const Value& constant = graph_.value(n.inputs[1 + i]);
    if (constant.kind != ValueKind::kConstant)
      return Unimplemented("LayerNorm weights must be constants");
    TESSERA_ASSIGN_OR_RETURN(Tensor widened, ToF32Tensor(constant.data));
    data[i] = widened.As<float>();
    plan_.constants.push_back(std::move(widened));
  }
  w.gamma = data[0];
  w.beta = data[1];
  w.d = ColumnsOf(n.inputs[0]);
  w.epsilon = std::get<LayerNormAttributes>(n.attributes).epsilon;
  return w;
}

kernels::PackedLinear* Lowering::AddLinear(std::vector<kernels::LinearSource> sources,
                                           Precision precision) {
  plan_.linears.push_back(std::make_unique<kernels::PackedLinear>());
  jobs_.push_back({std::move(sources), precision, plan_.linears.back().get()});
  return plan_.linears.back().get();
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
  op.out = NewActivations(*chain_, precision, ColumnsOf(x));
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
    }
  }
  return y;
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
  LinearOp op;
  op.weights = AddLinear(std::move(sources), precision);
  Chain(rows);
  if (precision == Precision::kF32 && !norm_of_.contains(x)) {
    op.direct = true;
    op.in = Use(x);
  } else {
    TESSERA_ASSIGN_OR_RETURN(op.activations, Prepare(x, precision, rows));
  }
  if (group.size() == 1) {
    const ValueId y = FuseEpilogue(index, op, rows);
    op.out = NewRows(y);
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
    allocations_[whole.offset].columns = columns;
    for (int i : group) rows_[node(i).outputs[0]].ld = columns;
    whole.ld = whole.columns = columns;
    op.out = whole;
  }
  Emit(rows, first.name, std::move(op));
  return OkStatus();
}

Status Lowering::LowerConv1d(int index) {
  const Node& n = node(index);
  const ValueId x = n.inputs[0], y = n.outputs[0];
  const Value& weight = graph_.value(n.inputs[1]);
  if (weight.kind != ValueKind::kConstant) return Unimplemented("Conv1d weights must be constants");
  const Conv1dAttributes& attributes = std::get<Conv1dAttributes>(n.attributes);
  TESSERA_ASSIGN_OR_RETURN(Tensor repacked, kernels::RepackConv1dWeight(weight.data));
  plan_.constants.push_back(std::move(repacked));
  kernels::LinearSource source{plan_.constants.back().ViewOf(), {}};
  if (n.inputs.size() > 2 && n.inputs[2] != kNoValue) source.bias = graph_.value(n.inputs[2]).data;

  const Precision precision = PrecisionOf(n);
  const PlanSize rows = RowsOfValue(y);
  Im2ColOp windows;
  windows.in = Materialised(x);
  windows.in_length = ToPlanDim(graph_.value(x).dims[1]);
  windows.out_length = ToPlanDim(graph_.value(y).dims[1]);
  windows.channels = ColumnsOf(x);
  windows.kernel = weight.data.shape[2];
  windows.stride = attributes.stride;
  windows.padding = attributes.padding;
  ChainStep& chain = Chain(rows);
  const int64_t k = windows.kernel * windows.channels;
  windows.out = NewActivations(chain, precision, k);
  if (precision != Precision::kF32)
    windows.window_offset = NewActivations(chain, Precision::kF32, k).offset;
  LinearOp op;
  op.weights = AddLinear({source}, precision);
  op.activations = windows.out;
  Emit(rows, n.name, std::move(windows));
  const ValueId result = FuseEpilogue(index, op, rows);
  op.out = NewRows(result);
  Emit(rows, n.name, std::move(op));
  return OkStatus();
}

Status Lowering::LowerAdd(const Node& n) {
  const ValueId a = n.inputs[0], b = n.inputs[1];
  const PlanSize rows = RowsOfValue(n.outputs[0]);
  const PlanSize b_rows = RowsOfValue(b);
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
      TESSERA_ASSIGN_OR_RETURN(Tensor widened, ToF32Tensor(op.table));
      op.table = widened.ViewOf();
      plan_.constants.push_back(std::move(widened));
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

Status Lowering::LowerAttention(const Node& n) {
  const AttentionAttributes& attributes = std::get<AttentionAttributes>(n.attributes);
  AttentionStep step;
  CloseChain();
  step.query = Use(n.inputs[0]);
  step.key = Use(n.inputs[1]);
  step.value = Use(n.inputs[2]);
  step.batch = {ToPlanDim(graph_.value(n.inputs[0]).dims[0])};
  step.query_length = ToPlanDim(graph_.value(n.inputs[0]).dims[1]);
  step.key_length = ToPlanDim(graph_.value(n.inputs[1]).dims[1]);
  if (n.inputs.size() > 3 && n.inputs[3] != kNoValue) {
    step.lengths = InputIndex(n.inputs[3]);
    if (step.lengths < 0) return Unimplemented("Attention lengths must be a graph input");
    PlanDim high = step.key_length;
    high.add += 1;
    plan_.bounds.push_back({step.lengths, 1, {high}});
  }
  step.num_heads = attributes.num_heads;
  step.head_dim = ColumnsOf(n.inputs[0]) / attributes.num_heads;
  step.scale = attributes.scale;
  step.causal = attributes.causal;
  step.precision = options_.precision;
  if (step.head_dim % 16 != 0 || step.head_dim > kernels::kMaxHeadDim)
    return Unimplemented("attention heads of " + std::to_string(step.head_dim) +
                         " columns; the kernels take multiples of 16 up to " +
                         std::to_string(kernels::kMaxHeadDim));
  step.out = NewRows(n.outputs[0]);
  const int64_t keys = Evaluate(step.key_length, plan_.max_symbols);
  plan_.attention_bytes = std::max<int64_t>(
      plan_.attention_bytes,
      static_cast<int64_t>(kernels::PackedKeysValuesBytes(step.precision, step.head_dim, keys) +
                           64 + kernels::AttendScratchBytes(kBlockRows, step.head_dim)));
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

Status Lowering::LowerCachedAttention(const Node& n) {
  const AttentionAttributes& attributes = std::get<AttentionAttributes>(n.attributes);
  CachedAttentionStep step;
  CloseChain();
  step.query = Use(n.inputs[0]);
  step.key_state = StateIndex(n.inputs[1]);
  step.value_state = StateIndex(n.inputs[2]);
  step.index = InputIndex(n.inputs[3]);
  step.length = InputIndex(n.inputs[4]);
  if (step.key_state < 0 || step.value_state < 0 || step.index < 0 || step.length < 0)
    return Unimplemented("CachedAttention needs states and indices that are graph inputs");
  const auto use = [&](int state) { return graph_.value(graph_.states()[state]).state.use; };
  step.packed = use(step.key_state) == StateUse::kWholeKeys;
  step.tokens = RowsOfValue(n.inputs[0]);
  step.index_is_table = graph_.value(n.inputs[3]).dims.size() == 2;
  if (step.index_is_table) step.table_width = ToPlanDim(graph_.value(n.inputs[3]).dims[1]);
  step.num_heads = attributes.num_heads;
  step.head_dim = ColumnsOf(n.inputs[0]) / attributes.num_heads;
  step.scale = attributes.scale;
  if (step.head_dim % 16 != 0 || step.head_dim > kernels::kMaxHeadDim)
    return Unimplemented("attention heads of " + std::to_string(step.head_dim) + " columns");
  if (step.packed != (use(step.value_state) == StateUse::kWholeValues) ||
      (step.packed && step.index_is_table))
    return Unimplemented("keys and values must both be whole states, read by slot");
  const std::vector<PlanDim>& dims = plan_.states[step.key_state].dims;
  PlanDim high = step.index_is_table ? step.table_width : dims[1];
  high.add += 1;
  plan_.bounds.push_back({step.index, 0, {dims[0]}});
  plan_.bounds.push_back({step.length, 1, {high}});
  step.out = NewRows(n.outputs[0]);
  const int64_t capacity = Evaluate(dims[1], plan_.max_symbols);
  plan_.attention_bytes = std::max<int64_t>(
      plan_.attention_bytes,
      static_cast<int64_t>(step.packed ? kernels::AttendScratchBytes(kBlockRows, step.head_dim)
                                       : kernels::CachedAttentionScratchFloats(capacity) * 4));
  plan_.steps.push_back({std::move(step), n.name});
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
  product.weights = AddLinear({{data(1), data(3)}}, precision);
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
  step.weights = AddLinear({{data(2), View{}}}, Precision::kF32);
  step.out = NewRows(y);
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

}  // namespace

int64_t Evaluate(const PlanDim& dim, const SymbolValues& symbols) {
  return dim.symbol < 0 ? dim.add : dim.mul * symbols[dim.symbol] + dim.add;
}

int64_t Evaluate(const PlanSize& size, const SymbolValues& symbols) {
  int64_t n = 1;
  for (const PlanDim& dim : size) n *= Evaluate(dim, symbols);
  return n;
}

Result<Plan> LowerGraph(const Graph& graph, const CompileOptions& options, ThreadPool& pool) {
  return Lowering(graph, options, pool).Run();
}

}  // namespace tessera::cpu
