// Graph: one stage of a model as data. Built once in C++ (builder.h), compiled by every provider.
//
// A graph is a list of nodes in execution order over values in SSA form. A value is a graph input,
// a constant (a view into the mapped model file), a state (a KV cache that lives between runs) or
// the output of a node. Dimensions are constants or named symbols (`batch`, `positions`, `tokens`);
// a program binds the symbols. Everything here is a plain value type; a finished Graph is const and
// may be shared between threads.
#ifndef TESSERA_GRAPH_GRAPH_H_
#define TESSERA_GRAPH_GRAPH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/ops.h"
#include "tensor/tensor.h"

namespace tessera {

// A dimension: mul * symbol + add, or the constant `add` when `symbol` is empty.
struct Dim {
  Dim(int64_t constant) : add(constant) {}  // NOLINT: a number is a dimension
  explicit Dim(std::string name, int64_t multiplier = 1, int64_t offset = 0)
      : symbol(std::move(name)), mul(multiplier), add(offset) {}
  bool IsConstant() const { return symbol.empty(); }
  bool operator==(const Dim&) const = default;

  std::string symbol;
  int64_t mul = 0;
  int64_t add = 0;
};
using Dims = std::vector<Dim>;

// Values of the symbols for one run (or the upper bounds that a memory plan is made for).
using DimBindings = std::map<std::string, int64_t>;

// The size of a dimension; error when its symbol is not bound or the size is negative or above
// kMaxDimSize.
Result<int64_t> EvaluateDim(const Dim& dim, const DimBindings& bindings);
Result<Shape> EvaluateDims(const Dims& dims, const DimBindings& bindings);
inline constexpr int64_t kMaxDimSize = int64_t{1} << 40;
// Largest multiplier and offset of a symbolic dimension.
inline constexpr int64_t kMaxDimFactor = int64_t{1} << 20;
// "2*positions + 1", "[batch, 2*positions, 80]"
std::string DimToString(const Dim& dim);
std::string DimsToString(const Dims& dims);

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent

enum class ValueKind : uint8_t { kInput, kConstant, kState, kNode };

// How a state is written and read; a provider may choose its layout by it.
enum class StateUse : uint8_t {
  kRows,         // any rows at any time
  kWholeKeys,    // each slot is written whole (positions 0, 1, ... of one slot by one CacheWrite),
                 // then only read, as keys
  kWholeValues,  // the same, as values
};
struct StateTraits {
  StateUse use = StateUse::kRows;
  int64_t num_heads = 1;  // the heads that a row of d columns consists of
  bool operator==(const StateTraits&) const = default;
};

struct Value {
  std::string name;  // unique in the graph
  ValueKind kind = ValueKind::kNode;
  DType dtype = DType::kF32;
  Dims dims;
  View data;              // constants only
  int32_t producer = -1;  // index of the node that writes it; -1 unless kind == kNode
  StateTraits state;      // states only
};

struct Node {
  OpKind op;
  std::string name;  // unique in the graph; names the weights' place in the model
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  OpAttributes attributes;
};

struct GraphOutput {
  std::string name;
  ValueId value;
};
// After a run the state holds the elements of `value`. Providers that can, write in place.
struct StateUpdate {
  ValueId state;
  ValueId value;
};

class Graph {
 public:
  const std::string& name() const { return name_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& states() const { return states_; }
  const std::vector<GraphOutput>& outputs() const { return outputs_; }
  const std::vector<StateUpdate>& state_updates() const { return state_updates_; }
  const Value& value(ValueId id) const { return values_[id]; }
  // kNoValue when there is no value of that name.
  ValueId FindValue(const std::string& name) const;
  // Symbols that occur in inputs and states, sorted.
  std::vector<std::string> Symbols() const;

 private:
  friend class GraphBuilder;
  friend class GraphEditor;  // passes
  std::string name_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_, states_;
  std::vector<GraphOutput> outputs_;
  std::vector<StateUpdate> state_updates_;
  std::vector<std::shared_ptr<const void>> owners_;  // keep constants' memory alive
};

// Work of a graph at given sizes. FLOPs count a multiply-add as two; bytes are of constants as
// stored.
struct GraphCost {
  double flops = 0;
  double weight_bytes = 0;
  int64_t nodes = 0;
};
Result<GraphCost> EstimateCost(const Graph& graph, const DimBindings& bindings);
// FLOPs of one node: dense upper bound (no mask is taken into account).
Result<double> NodeFlops(const Graph& graph, const Node& node, const DimBindings& bindings);

}  // namespace tessera

#endif  // TESSERA_GRAPH_GRAPH_H_
