// What each step of a Plan must at least compute and move in one run: the numerator of a share of
// the machine's limits.
//
// Operations are those of matrix products, a multiply-add being two, each counted in the precision
// that computes it:
//   Linear            2 * rows * n * k, in the layer's own precision
//   Attention         4 * queries * keys * heads * head_dim (causal: the visible keys only), in the
//                     precision of the keys and values; f32 for a cache of rows
//   Lstm              2 * steps * batch * 4 * hidden * hidden, f32
// Norms, activation functions, softmax, conversions and copies count as no operation: their time
// shows as a lower share. Padding counts as none either.
//
// Bytes are those that cannot stay in a worker's cache from one step to the next, each once a step:
// packed weights, arrays of the arena, inputs, outputs, and the caches' rows that are looked at. A
// chain's scratch counts as none, nor does a second read of the same columns, or a read of what the
// step itself wrote.
#ifndef TESSERA_PROVIDERS_CPU_PLAN_COST_H_
#define TESSERA_PROVIDERS_CPU_PLAN_COST_H_

#include <array>
#include <string>
#include <vector>

#include "providers/cpu/plan.h"
#include "providers/execution_provider.h"

namespace tessera::cpu {

struct StepCost {
  // What the step does, the same text for the same work in another layer: the first and the last
  // Linear of a chain ("attention_out .. query"), else the name of its node, without "layers.N.".
  std::string kind;
  std::array<double, 3> operations{};  // by kernels::Precision
  double bytes = 0;

  double Operations() const { return operations[0] + operations[1] + operations[2]; }
};

// The costs of plan.steps, in order, of a run with these bindings and states. InvalidArgument when
// an input or state is missing, or a shape does not tell every size. Slots, lengths and histories
// are read from the bindings, which must be such that CpuProgram::Run accepts them.
Result<std::vector<StepCost>> CostOfSteps(const Plan& plan, StateStore* states,
                                          const RunBindings& bindings);

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_PLAN_COST_H_
