// Runs one step of a Plan on one worker.
#ifndef TESSERA_PROVIDERS_CPU_EXECUTOR_H_
#define TESSERA_PROVIDERS_CPU_EXECUTOR_H_

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "providers/cpu/plan.h"
#include "providers/cpu/state_store.h"

namespace tessera::cpu {

// A worker's private memory.
struct WorkerMemory {
  AlignedBuffer scratch, activations, attention;
};

// All that the workers of one run share.
struct RunState {
  const Plan* plan = nullptr;
  SymbolValues symbols;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  std::vector<CacheState*> states;
  int partial_output = -1;  // of RunBindings::partial_rows
  int64_t first_column = 0;
  std::span<const uint8_t> partial;
  char* arena = nullptr;
  WorkerMemory* workers = nullptr;
  int num_workers = 1;
  SpinBarrier* barrier = nullptr;

  const int32_t* Ids(int input) const { return static_cast<const int32_t*>(inputs[input]); }
};

void RunChain(const RunState& run, const ChainStep& chain, int worker);
void RunAttention(const RunState& run, const AttentionStep& step, int worker);
void RunRaggedAttention(const RunState& run, const RaggedAttentionStep& step, int worker);
void RunLstm(const RunState& run, const LstmStep& step, int worker);
void RunPackState(const RunState& run, const PackStateStep& step, int worker);
void RunCachedAttention(const RunState& run, const CachedAttentionStep& step, int worker);

// First element of `rows` at row `row`; `block_begin` is the row at which the chain's scratch
// starts.
float* RowPointer(const RunState& run, const Rows& rows, int64_t row, int64_t block_begin,
                  const WorkerMemory& scratch_of);

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_EXECUTOR_H_
