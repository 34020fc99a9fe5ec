// ExecutionProvider: compiles Graphs for one kind of device. Program: a compiled graph, const and
// shared by sessions.
//
// What changes during a run lives outside a Program: StateStore holds the states (KV caches) that
// several programs of one session share by name; ExecutionContext holds scratch memory for one run
// at a time. Providers are found and chosen by src/runtime; an absent provider is a stub with the
// same file names, never an #ifdef in callers.
#ifndef TESSERA_PROVIDERS_EXECUTION_PROVIDER_H_
#define TESSERA_PROVIDERS_EXECUTION_PROVIDER_H_

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "graph/graph.h"
#include "kernels/linear.h"
#include "providers/compile_cache.h"
#include "providers/placement.h"

namespace tessera {

// What a stage is tried with before its results are trusted (runtime/numerics_gate.h), and by which
// its speed is measured: the inputs of runs in order, the same at every start. Stages that share
// states are tried one after another on one store.
struct StageProbe {
  using Inputs = std::vector<std::pair<std::string, Tensor>>;  // all inputs of the graph, by name
  std::vector<Inputs> runs;    // the last one is what a unit of work repeats
  int64_t runs_in_a_unit = 1;  // how often; weighs the times of stages that go together
};

struct CompileOptions {
  // Upper bound of every symbol of the graph. Memory is planned for it; a run may use less.
  DimBindings max_dims;
  kernels::Precision precision = kernels::Precision::kF32;
  // Precision of single linear layers by node name, where it differs from `precision`. Null: all
  // the same.
  std::function<kernels::Precision(const std::string& node)> linear_precision;
  // From the same provider's OpenCache; null: everything is made anew.
  std::shared_ptr<CompileCache> cache;
  // May be called as long as the program lives. Null: the stage cannot be tried.
  std::function<Result<StageProbe>()> probe;
};

// What a provider would do with a graph before compiling it: a reason for each node that it
// refuses.
struct Refusal {
  std::string node;
  std::string reason;
};
struct Capability {
  int64_t nodes = 0;
  std::vector<Refusal> refused;  // empty: the whole graph
};

// All states of a session, allocated at their upper bounds and zeroed. The layout and type of the
// elements are the provider's.
class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual size_t bytes() const = 0;
  // What CacheWrite does: row i of `rows` (f32 [n, d]) becomes position first_position + i of
  // `slot` of the state. A state of whole slots takes positions from 0 on. For states that another
  // provider made.
  virtual Status WriteRows(std::string_view state, int64_t slot, int64_t first_position,
                           const View& rows) = 0;
  // f32 [positions, d] of one slot, where the store keeps its rows on the host in this form:
  // another provider takes them over from there. No data elsewhere, or when there is no such slot.
  virtual View HostRows(std::string_view state, int64_t slot) const {
    static_cast<void>(state), static_cast<void>(slot);
    return {};
  }
};

class ExecutionContext {
 public:
  virtual ~ExecutionContext() = default;
  virtual size_t bytes() const = 0;
  // Later runs use `threads`, at most as many as the context was made for. Null: the provider's.
  virtual void UseThreads(std::shared_ptr<ThreadPool> threads) = 0;
};

struct NamedView {
  std::string_view name;
  View view;
};
struct NamedMutableView {
  std::string_view name;
  MutableView view;
};

// Rows of an output [rows, columns] of which the caller will not read the columns before
// `first_column`, where partial[row] is not 0. A provider may leave them as they are.
struct PartialRows {
  std::string_view output;
  int64_t first_column = 0;
  std::span<const uint8_t> partial;
};

// Inputs and outputs by graph name: all of them, each with its dtype and shape. Symbols are bound
// from the inputs' shapes, must agree with each other and stay within max_dims.
struct RunBindings {
  std::span<const NamedView> inputs;
  std::span<const NamedMutableView> outputs;
  PartialRows partial_rows = {};  // output empty: every element is wanted
};

class Program {
 public:
  virtual ~Program() = default;
  // Runs with this context use `threads`, where the provider computes on the CPU; contexts on
  // different teams may run at the same time. Null: the provider's own threads, on which runs take
  // turns. Contexts whose runs never overlap may share memory: `beside` is one of them, of any
  // program of this provider.
  virtual std::unique_ptr<ExecutionContext> NewContext(
      std::shared_ptr<ThreadPool> threads = nullptr,
      const ExecutionContext* beside = nullptr) const = 0;
  // `states` must come from the same provider and hold every state of the graph. Cancelled between
  // steps when `stop` is set.
  virtual Status Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
                     std::stop_token stop) const = 0;
  // Bytes of weights in the provider's own form.
  virtual size_t weight_bytes() const = 0;
  // Where its nodes run, as the provider's own record has it.
  virtual const StagePlacement& placement() const = 0;
};

class ExecutionProvider {
 public:
  virtual ~ExecutionProvider() = default;
  virtual std::string_view name() const = 0;
  // CPU threads that its own runs keep busy.
  virtual int num_threads() const = 0;
  // Programs take sizes up to max_dims but compute max_dims: windows are encoded whole, and a flat
  // list of decoder tokens runs token by token.
  virtual bool fixed_shapes() const { return false; }
  virtual Capability GetCapability(const Graph& graph) const = 0;
  // The graph must outlive the program.
  virtual Result<std::unique_ptr<Program>> Compile(const Graph& graph,
                                                   const CompileOptions& options) const = 0;
  // A cache for the stages of one model; null where the provider keeps none.
  virtual std::shared_ptr<CompileCache> OpenCache(CompileCacheKey) const { return nullptr; }
  // One store for all the graphs of a session: states of equal name are one state and must have
  // equal dimensions.
  virtual Result<std::unique_ptr<StateStore>> NewStateStore(
      std::span<const Graph* const> graphs, const CompileOptions& options) const = 0;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_EXECUTION_PROVIDER_H_
