// A Plan that can be run: checks the bindings, then takes the pool's workers through all steps in
// one parallel region.
#ifndef TESSERA_PROVIDERS_CPU_PROGRAM_H_
#define TESSERA_PROVIDERS_CPU_PROGRAM_H_

#include <mutex>

#include "base/thread_pool.h"
#include "providers/cpu/executor.h"
#include "providers/execution_provider.h"

namespace tessera::cpu {

// A thread pool that several programs and sessions take turns on.
struct SharedPool {
  explicit SharedPool(int num_threads) : pool(num_threads) {}
  ThreadPool pool;
  std::mutex mutex;  // held during a run
};

class CpuProgram : public Program {
 public:
  CpuProgram(Plan plan, StagePlacement placement, std::shared_ptr<SharedPool> pool)
      : plan_(std::move(plan)), placement_(std::move(placement)), pool_(std::move(pool)) {}

  std::unique_ptr<ExecutionContext> NewContext(std::shared_ptr<ThreadPool> threads,
                                               const ExecutionContext* beside) const override;
  Status Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
             std::stop_token stop) const override;
  size_t weight_bytes() const override { return plan_.weight_bytes; }
  const StagePlacement& placement() const override { return placement_; }
  const Plan& plan() const { return plan_; }

 private:
  Status Bind(const RunBindings& bindings, StateStore* states, RunState& run) const;
  Status BindShape(const InputSpec& spec, const Shape& shape, DType dtype,
                   SymbolValues& symbols) const;

  const Plan plan_;
  const StagePlacement placement_;
  const std::shared_ptr<SharedPool> pool_;
};

class CpuContext : public ExecutionContext {
 public:
  size_t bytes() const override;
  void UseThreads(std::shared_ptr<ThreadPool> team) override { threads = std::move(team); }

  struct Memory {
    AlignedBuffer arena;
    std::vector<WorkerMemory> workers;
  };

  std::shared_ptr<ThreadPool> threads;  // null: the provider's
  std::shared_ptr<Memory> memory;       // of this context, or of one with which it takes turns
  // Seconds spent in each step of the plan, summed over runs; empty unless profiling was asked for.
  std::vector<double> step_seconds;
};

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_PROGRAM_H_
