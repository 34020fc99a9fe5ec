// The pass behind LowerGraph: what it knows of the graph, the arrays and steps it has made so far,
// and one Lower* function for each kind of node. Private to src/providers/cpu/lowering*.cc:
//
//   lowering.cc              interface of the plan, the walk over the nodes
//   lowering_rows.cc         dimensions, arrays, chains
//   lowering_weights.cc      constants as f32, packed layers, the cache
//   lowering_factors.cc      factors of 8-bit layers' inputs
//   lowering_linear.cc       Linear with what is fused around it
//   lowering_conv1d.cc       Conv1d
//   lowering_attention.cc    Attention, RaggedAttention and CachedAttention
//   lowering_state.cc        Gather from tables, CacheWrite to states
//   lowering_elementwise.cc  sums, element-wise ops, slices
//   lowering_lstm.cc         Lstm
#ifndef TESSERA_PROVIDERS_CPU_LOWERING_PASS_H_
#define TESSERA_PROVIDERS_CPU_LOWERING_PASS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "providers/cpu/memory_plan.h"
#include "providers/cpu/plan.h"
#include "providers/cpu/weight_cache.h"
#include "providers/execution_provider.h"

namespace tessera::cpu {

using kernels::Precision;

// A Linear to pack once all are known; sources are views into the graph's constants.
struct PackJob {
  std::string name;  // in the cache
  uint64_t fingerprint;
  std::vector<kernels::LinearSource> sources;
  Precision precision;
  const float* factors;  // [k] of the rotation; null: its signs
  kernels::PackedLinear* result;
};
// Factors of a rotated value (lowering_factors.cc). data null: it is not rotated.
struct InputFactors {
  const float* data = nullptr;
  uint64_t fingerprint = 0;  // of what they are made of
};
// The factors of a value that 8-bit Linears read, from the columns of the first of them.
struct FactorJob {
  std::string name;  // in the cache
  uint64_t fingerprint = 0;
  std::vector<kernels::LinearSource> sources;
  std::optional<kernels::LayerNormWeights> norm;  // that made the value
  SharedFloats result;
  float* out = nullptr;
};

class Lowering {
 public:
  Lowering(const Graph& graph, const CompileOptions& options, ThreadPool& pool)
      : graph_(graph),
        options_(options),
        pool_(pool),
        cache_(static_cast<WeightCache*>(options.cache.get())) {}

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

  Status LowerLayerNorm(int index);
  Status LowerLinear(int index);
  Status LowerConv1d(int index);
  Status LowerAttention(const Node& n);
  Status LowerRaggedAttention(const Node& n);
  Status LowerCachedAttention(const Node& n);
  // Attention memory of a worker for packed keys and values of one head.
  void NeedKeysValues(Precision precision, int64_t head_dim, int64_t keys);
  Status LowerGather(const Node& n);
  Status LowerCacheWrite(const Node& n);
  Status LowerAdd(const Node& n);
  Status LowerElementwise(const Node& n);
  Status LowerSlice(const Node& n);
  Status LowerLstm(const Node& n);
  Result<kernels::LayerNormWeights> NormWeightsOf(const Node& n);
  Result<Activations> Prepare(ValueId x, Precision precision, const PlanSize& rows);
  // Weights from the cache, or else a job to pack them; `name` is unique in the graph.
  kernels::PackedLinear* AddLinear(const std::string& name,
                                   std::vector<kernels::LinearSource> sources, Precision precision,
                                   const InputFactors& factors = {});
  // Those of the rotation of value `x`, from the cache, or else a job that fills them before
  // anything is packed.
  Result<InputFactors> FactorsOf(ValueId x, const std::string& name,
                                 const std::vector<kernels::LinearSource>& sources);
  // The values of a float constant as f32, kept by the plan.
  Result<const float*> FloatsOf(ValueId constant);
  void MakeFactors();
  Status PackAll();
  // Takes Gelu and Add nodes after node `index` into the epilogue; returns the value that the
  // Linear now writes.
  ValueId FuseEpilogue(int index, LinearOp& op, const PlanSize& rows);
  // Whether all readers of `v` come before what is made of node `index`.
  bool NobodyReads(ValueId v, int index) const;

  const Graph& graph_;
  const CompileOptions& options_;
  ThreadPool& pool_;
  WeightCache* const cache_;  // null: none
  Plan plan_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> done_;  // nodes taken into an earlier op
  std::map<ValueId, int> output_of_;
  std::map<ValueId, int> norm_of_;   // folded LayerNorms: output value -> node
  std::set<ValueId> norm_rows_;      // those of them that others than Linears read too
  std::map<ValueId, int> state_of_;  // state values and their updated forms -> plan state
  std::map<ValueId, Rows> rows_;     // values that have an array
  std::vector<Allocation> allocations_;
  std::optional<ChainStep> chain_;
  std::map<std::pair<ValueId, Precision>, Activations> prepared_;  // in the open chain
  std::map<ValueId, const float*> floats_;                         // constants that are in the plan
  std::map<ValueId, InputFactors> factors_;
  std::vector<FactorJob> factor_jobs_;
  std::vector<PackJob> jobs_;
};

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_LOWERING_PASS_H_
