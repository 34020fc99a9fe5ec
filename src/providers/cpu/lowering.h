// Graph -> Plan: fuses nodes into micro-ops, groups them into chains, plans memory, packs weights.
#ifndef TESSERA_PROVIDERS_CPU_LOWERING_H_
#define TESSERA_PROVIDERS_CPU_LOWERING_H_

#include "base/thread_pool.h"
#include "providers/cpu/plan.h"
#include "providers/execution_provider.h"

namespace tessera::cpu {

// The fusions:
//   LayerNorm read only by Linears      -> part of the conversion to activations
//   neighbouring Linears of one input   -> one Linear with stacked weights
//   Linear [-> Gelu] [-> Add residual]  -> the Linear's epilogue
//   Conv1d [-> Gelu]                    -> Linear over gathered windows
// `pool` packs weights in parallel. Errors: an op or type that the CPU kernels do not take, a
// symbol without an upper bound.
Result<Plan> LowerGraph(const Graph& graph, const CompileOptions& options, ThreadPool& pool);

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_LOWERING_H_
