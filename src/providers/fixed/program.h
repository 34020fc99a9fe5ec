// A graph as a Program on a device of fixed shapes.
//
// A run is cut into units (run_plan.h); for each the host looks up table rows, pads, makes masks,
// brings the past of a token together, runs the device and stores the new rows of the states. All
// inputs are checked before the first unit, so a run that is refused has changed nothing; one that
// the device ends in the middle has stored the rows of the units before.
//
// The shape of each length of texts is compiled when the first such text comes: a program rarely
// sees them all, and each has its own copy of the weights.
//
// The device gets what the context and the state store own, never the caller's memory, and shares
// that ownership: a run that is given up (device_watch.h) does no harm, whatever it does.
#ifndef TESSERA_PROVIDERS_FIXED_PROGRAM_H_
#define TESSERA_PROVIDERS_FIXED_PROGRAM_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "providers/fixed/compiled_stage.h"
#include "providers/fixed/device_watch.h"
#include "providers/fixed/host_state_store.h"
#include "providers/fixed/run_plan.h"

namespace tessera::fixed {

class FixedProgram : public Program {
 public:
  // Compiles what the graph will surely need. `graph` must outlive the program. kUnavailable where
  // the device was given up.
  static Result<std::unique_ptr<FixedProgram>> Create(const Graph& graph,
                                                      const DimBindings& max_dims,
                                                      std::shared_ptr<const FixedBackend> backend,
                                                      StageOptions options);

  // Contexts hold memory only; runs of all contexts take turns on the device.
  std::unique_ptr<ExecutionContext> NewContext(std::shared_ptr<ThreadPool> threads,
                                               const ExecutionContext* beside) const override;
  // `states` from FixedProvider. Errors: kInvalidArgument, and those of WatchedStage::Run; a text
  // of a new length may have those of FixedBackend::Compile.
  Status Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
             std::stop_token stop) const override;
  // Of the exported files.
  size_t weight_bytes() const override { return first().model_bytes(); }
  const StagePlacement& placement() const override { return first().placement(); }

 private:
  friend class UnitRunner;

  FixedProgram(const Graph& graph, DimBindings max_dims,
               std::shared_ptr<const FixedBackend> backend, StageOptions options, RunPlan plan)
      : graph_(graph),
        max_dims_(std::move(max_dims)),
        backend_(std::move(backend)),
        options_(std::move(options)),
        plan_(std::move(plan)) {}

  // The compiled form for units of up to `rows` rows.
  Result<const WatchedStage*> StageFor(int64_t rows, std::stop_token stop) const;
  const CompiledStage& first() const { return first_->stage(); }

  const Graph& graph_;
  const DimBindings max_dims_;
  const std::shared_ptr<const FixedBackend> backend_;
  const StageOptions options_;
  const RunPlan plan_;
  std::vector<int64_t> sizes_;  // rows of a unit, ascending
  mutable std::mutex mutex_;    // of stages_; held while one is compiled
  mutable std::map<int64_t, std::unique_ptr<WatchedStage>> stages_;
  const WatchedStage* first_ = nullptr;
};

class FixedContext : public ExecutionContext {
 public:
  size_t bytes() const override;
  void UseThreads(std::shared_ptr<ThreadPool>) override {}

  // A buffer of a stage, zeros at first.
  Tensor& Buffer(const CompiledStage* stage, const std::string& name, const Shape& shape,
                 DType dtype);
  // What all buffers lie in.
  std::shared_ptr<const void> memory() const { return buffers_; }
  // Leaves the buffers to a run that was given up; later ones have others.
  void GiveAway() { buffers_ = std::make_shared<Buffers>(); }

 private:
  using Buffers = std::map<std::pair<const CompiledStage*, std::string>, Tensor>;
  std::shared_ptr<Buffers> buffers_ = std::make_shared<Buffers>();
};

}  // namespace tessera::fixed

#endif  // TESSERA_PROVIDERS_FIXED_PROGRAM_H_
