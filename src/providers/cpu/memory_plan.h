// Places every array of a Plan: chain-local ones in scratch, the others in one arena, reused when
// they are dead.
#ifndef TESSERA_PROVIDERS_CPU_MEMORY_PLAN_H_
#define TESSERA_PROVIDERS_CPU_MEMORY_PLAN_H_

#include "providers/cpu/plan.h"

namespace tessera::cpu {

struct Allocation {
  PlanSize rows;
  int64_t columns = 0;
  int first_step = 0, last_step = 0;  // written, last read
  int output = -1;                    // graph output that holds it
};

// Reserves activation memory for a block of rows in `chain`.
Activations NewActivations(ChainStep& chain, kernels::Precision precision, int64_t k);
// Reserves one row of `k` floats beside them; its offset.
int64_t NewWindow(ChainStep& chain, int64_t k);

// Until now each Rows of the plan without a place names an allocation by its offset. Gives all of
// them a place and an offset, sizes the arena and the scratch, and marks the barriers that column
// mode needs.
void PlanMemory(Plan& plan, const std::vector<Allocation>& allocations);

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_MEMORY_PLAN_H_
