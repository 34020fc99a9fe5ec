#include "providers/cpu/plan_cost.h"

#include <algorithm>
#include <set>

#include "kernels/attention.h"
#include "providers/cpu/state_store.h"

namespace tessera::cpu {
namespace {

using kernels::Precision;

// "layers.3.query" -> "query".
std::string WithoutLayer(const std::string& node) {
  constexpr std::string_view kPrefix = "layers.";
  if (!node.starts_with(kPrefix)) return node;
  const size_t dot = node.find('.', kPrefix.size());
  return dot == std::string::npos ? node : node.substr(dot + 1);
}

std::string KindOf(const Step& step) {
  const auto* chain = std::get_if<ChainStep>(&step.step);
  if (chain == nullptr || chain->ops.empty()) return WithoutLayer(step.name);
  const std::string *first = nullptr, *last = nullptr;
  for (const MicroOp& op : chain->ops) {
    if (!std::holds_alternative<LinearOp>(op.op)) continue;
    if (first == nullptr) first = &op.node;
    last = &op.node;
  }
  if (first == nullptr) first = last = &chain->ops.front().node;
  const std::string begin = WithoutLayer(*first), end = WithoutLayer(*last);
  return begin == end ? begin : begin + " .. " + end;
}

// What a run is given, by the numbers that a Plan uses.
struct Bound {
  SymbolValues symbols;
  std::vector<View> inputs;
  std::vector<CacheState*> states;

  double Value(const PlanDim& dim) const { return static_cast<double>(Evaluate(dim, symbols)); }
  double Value(const PlanSize& size) const { return static_cast<double>(Evaluate(size, symbols)); }
  std::span<const int32_t> Ids(int input) const {
    return {static_cast<const int32_t*>(inputs[input].data),
            static_cast<size_t>(NumElements(inputs[input].shape))};
  }
};

void BindSymbols(const InputSpec& spec, const Shape& shape, SymbolValues& symbols) {
  for (size_t i = 0; i < std::min(shape.size(), spec.dims.size()); ++i) {
    const PlanDim& dim = spec.dims[i];
    if (dim.symbol >= 0 && dim.mul != 0 && symbols[dim.symbol] < 0)
      symbols[dim.symbol] = (shape[i] - dim.add) / dim.mul;
  }
}

Result<Bound> Bind(const Plan& plan, StateStore* states, const RunBindings& bindings) {
  Bound bound;
  bound.symbols.assign(plan.symbols.size(), -1);
  for (const InputSpec& spec : plan.inputs) {
    const auto it = std::find_if(bindings.inputs.begin(), bindings.inputs.end(),
                                 [&](const NamedView& v) { return v.name == spec.name; });
    if (it == bindings.inputs.end())
      return InvalidArgument("the input " + spec.name + " is missing");
    BindSymbols(spec, it->view.shape, bound.symbols);
    bound.inputs.push_back(it->view);
  }
  for (const InputSpec& spec : plan.states) {
    CacheState* state =
        states == nullptr ? nullptr : static_cast<CpuStateStore*>(states)->Find(spec.name);
    if (state == nullptr) return InvalidArgument("the state " + spec.name + " is missing");
    BindSymbols(spec, {state->slots, state->capacity, state->d}, bound.symbols);
    bound.states.push_back(state);
  }
  for (size_t i = 0; i < plan.symbols.size(); ++i) {
    if (bound.symbols[i] < 0)
      return InvalidArgument("no input or state tells the size " + plan.symbols[i]);
  }
  return bound;
}

// The cost of one step while it is gone through.
class StepCounter {
 public:
  StepCounter(const Bound& bound, StepCost& cost) : bound_(bound), cost_(cost) {}

  void Count(const ChainStep& chain) {
    rows_ = bound_.Value(chain.rows);
    for (const MicroOp& op : chain.ops) std::visit([this](const auto& o) { Count(o); }, op.op);
  }

  void Count(const AttentionStep& s) {
    const double batch = bound_.Value(s.batch), queries = bound_.Value(s.query_length);
    const int64_t keys = Evaluate(s.key_length, bound_.symbols);
    double pairs = 0;  // of a query and a key that it sees
    for (int64_t b = 0; b < static_cast<int64_t>(batch); ++b) {
      const int64_t length = s.lengths < 0 ? keys : bound_.Ids(s.lengths)[b];
      pairs += s.causal ? CausalPairs(static_cast<int64_t>(queries), length)
                        : queries * static_cast<double>(length);
    }
    Operations(s.precision,
               4 * pairs * static_cast<double>(s.num_heads) * static_cast<double>(s.head_dim));
    Touch(s.query, batch * queries);
    Touch(s.key, batch * static_cast<double>(keys));
    Touch(s.value, batch * static_cast<double>(keys));
    Touch(s.out, batch * queries);
  }

  void Count(const RaggedAttentionStep& s) {
    const std::span<const int32_t> offsets = bound_.Ids(s.offsets);
    const double tokens = bound_.Value(s.tokens);
    double pairs = 0;
    for (size_t i = 1; i < offsets.size(); ++i) {
      const double length = offsets[i] - offsets[i - 1];
      pairs += length * length;
    }
    Operations(s.precision,
               4 * pairs * static_cast<double>(s.num_heads) * static_cast<double>(s.head_dim));
    for (const Rows* rows : {&s.query, &s.key, &s.value, &s.out}) Touch(*rows, tokens);
  }

  void Count(const PackStateStep& s) {
    const CacheState& state = *bound_.states[s.state];
    const int64_t rows = Evaluate(s.rows, bound_.symbols);
    Touch(s.in, static_cast<double>(rows));
    const auto bytes_of = state.traits.use == StateUse::kWholeKeys ? &kernels::PackedKeysBytes
                                                                   : &kernels::PackedValuesBytes;
    cost_.bytes += static_cast<double>(state.traits.num_heads) *
                   static_cast<double>(bytes_of(state.precision, state.head_dim(), rows));
  }

  void Count(const CachedAttentionStep& s) {
    const double tokens = bound_.Value(s.tokens);
    const CacheState& keys = *bound_.states[s.key_state];
    const std::span<const int32_t> lengths = bound_.Ids(s.length);
    double pairs = 0;
    for (const int32_t length : lengths) pairs += length;
    Operations(s.packed ? keys.precision : Precision::kF32,
               4 * pairs * static_cast<double>(s.num_heads) * static_cast<double>(s.head_dim));
    Touch(s.query, tokens);
    Touch(s.out, tokens);
    cost_.bytes += s.packed ? PackedBytes(s, keys, lengths) : RowBytes(s, keys, lengths);
  }

  void Count(const LstmStep& s) {
    const double steps = bound_.Value(s.steps), batch = bound_.Value(s.batch);
    const auto hidden = static_cast<double>(s.hidden);
    Operations(Precision::kF32, 8 * steps * batch * hidden * hidden);
    Weights(*s.weights);
    Touch(s.gates, steps * batch);
    Touch(s.state, 2 * batch);
    Touch(s.out, (steps + 1) * batch);
  }

 private:
  void Count(const PrepareOp& op) { InAndOut(op.in, op.rows); }
  void Count(const Im2ColOp& op) {
    Touch(op.in, rows_ / bound_.Value(op.out_length) * bound_.Value(op.in_length));
  }
  void Count(const LinearOp& op) {
    Operations(op.weights->precision,
               2 * rows_ * static_cast<double>(op.weights->n) * static_cast<double>(op.weights->k));
    Weights(*op.weights);
    if (op.direct) Touch(op.in, rows_);
    Touch(op.residual, Repeated(op.residual_rows));
    Touch(op.out, rows_);
  }
  void Count(const LayerNormOp& op) { InAndOut(op.in, op.out); }
  void Count(const GeluOp& op) { InAndOut(op.in, op.out); }
  void Count(const ElementwiseOp& op) { InAndOut(op.in, op.out); }
  void Count(const AddOp& op) {
    if (op.constant == nullptr) Touch(op.b, Repeated(op.b_rows));
    InAndOut(op.a, op.out);
  }
  void Count(const GatherOp& op) {
    // A row for each id, whichever rows of the table they are.
    const bool constant = op.table.data != nullptr;
    if (constant || op.rows.place != Place::kScratch)
      cost_.bytes += rows_ * static_cast<double>(op.out.columns) *
                     static_cast<double>(DTypeSize(constant ? op.table.dtype : DType::kF32));
    Touch(op.out, rows_);
  }
  void Count(const CacheWriteOp& op) {
    const CacheState& state = *bound_.states[op.state];
    Touch(op.in, rows_);
    cost_.bytes += rows_ * static_cast<double>(state.d) * DTypeSize(state.dtype);
  }

  void Operations(Precision precision, double count) {
    cost_.operations[static_cast<size_t>(precision)] += count;
  }
  void InAndOut(const Rows& in, const Rows& out) {
    Touch(in, rows_);
    Touch(out, rows_);
  }
  double Repeated(const PlanSize& rows) const { return rows.empty() ? rows_ : bound_.Value(rows); }

  void Weights(const kernels::PackedLinear& w) {
    const int64_t panels = w.n_padded / kernels::kPanelColumns;
    cost_.bytes += static_cast<double>(panels * w.PanelBytes());
  }

  // Columns of an array outside the scratch, once a step.
  void Touch(const Rows& rows, double count) {
    if (rows.place == Place::kNone || rows.place == Place::kScratch) return;
    const int64_t end = rows.column + rows.columns;
    for (const Touched& t : touched_) {
      if (t.place == rows.place && t.offset == rows.offset && t.begin <= rows.column &&
          end <= t.end && count <= t.rows)
        return;
    }
    touched_.push_back({rows.place, rows.offset, rows.column, end, count});
    cost_.bytes += count * static_cast<double>(rows.columns) * sizeof(float);
  }

  static double CausalPairs(int64_t queries, int64_t keys) {
    // Query r sees keys 0 .. r.
    const auto triangle = static_cast<double>(std::min(queries, keys));
    return triangle * (triangle + 1) / 2 +
           static_cast<double>(queries - std::min(queries, keys)) * static_cast<double>(keys);
  }

  // Keys and values of each window that some token looks at.
  double PackedBytes(const CachedAttentionStep& s, const CacheState& keys,
                     std::span<const int32_t> lengths) const {
    const std::span<const int32_t> index = bound_.Ids(s.index);
    std::set<int32_t> seen;
    double bytes = 0;
    for (size_t t = 0; t < lengths.size(); ++t) {
      if (!seen.insert(index[t]).second) continue;
      bytes +=
          static_cast<double>(s.num_heads) * static_cast<double>(kernels::PackedKeysValuesBytes(
                                                 keys.precision, s.head_dim, lengths[t]));
    }
    return bytes;
  }
  // Distinct (slot, position) pairs, a row of keys and one of values each.
  double RowBytes(const CachedAttentionStep& s, const CacheState& keys,
                  std::span<const int32_t> lengths) const {
    const std::span<const int32_t> index = bound_.Ids(s.index);
    const int64_t width = s.index_is_table ? Evaluate(s.table_width, bound_.symbols) : 0;
    std::vector<int32_t> longest(static_cast<size_t>(keys.slots), 0);  // without a table
    std::vector<bool> seen(s.index_is_table ? static_cast<size_t>(keys.slots * keys.capacity) : 0);
    int64_t rows = 0;
    for (size_t t = 0; t < lengths.size(); ++t) {
      if (!s.index_is_table) {
        int32_t& known = longest[index[t]];
        rows += std::max(lengths[t] - known, 0);
        known = std::max(known, lengths[t]);
        continue;
      }
      for (int32_t p = 0; p < lengths[t]; ++p) {
        const auto cell =
            static_cast<size_t>(index[t * static_cast<size_t>(width) + p] * keys.capacity + p);
        rows += seen[cell] ? 0 : 1;
        seen[cell] = true;
      }
    }
    return 2.0 * static_cast<double>(rows * keys.d) * static_cast<double>(DTypeSize(keys.dtype));
  }

  struct Touched {
    Place place;
    int64_t offset, begin, end;
    double rows;
  };

  const Bound& bound_;
  StepCost& cost_;
  double rows_ = 0;  // of the chain
  std::vector<Touched> touched_;
};

}  // namespace

Result<std::vector<StepCost>> CostOfSteps(const Plan& plan, StateStore* states,
                                          const RunBindings& bindings) {
  TESSERA_ASSIGN_OR_RETURN(const Bound bound, Bind(plan, states, bindings));
  std::vector<StepCost> costs(plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    costs[i].kind = KindOf(plan.steps[i]);
    StepCounter counter(bound, costs[i]);
    std::visit([&](const auto& step) { counter.Count(step); }, plan.steps[i].step);
  }
  return costs;
}

}  // namespace tessera::cpu
