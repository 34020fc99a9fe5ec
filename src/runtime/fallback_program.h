// What FallbackProvider hands out: programs, contexts and stores that follow their group from one
// provider to the next. Internal to fallback_*.cc.
#ifndef TESSERA_RUNTIME_FALLBACK_PROGRAM_H_
#define TESSERA_RUNTIME_FALLBACK_PROGRAM_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/fallback_group.h"

namespace tessera::fallback {

class FallbackContext : public ExecutionContext {
 public:
  explicit FallbackContext(std::shared_ptr<ThreadPool> threads) : threads_(std::move(threads)) {}
  size_t bytes() const override { return context_ == nullptr ? 0 : context_->bytes(); }
  void UseThreads(std::shared_ptr<ThreadPool> threads) override;

  // The context for `program`, which is where `link` is. A context of another link is given up.
  ExecutionContext& On(size_t link, const std::shared_ptr<const Program>& program,
                       const FallbackContext* beside = nullptr);

 private:
  const std::shared_ptr<ThreadPool> threads_;  // that it was made for
  std::shared_ptr<ThreadPool> used_;           // of UseThreads
  bool chosen_ = false;                        // UseThreads was called
  size_t link_ = 0;
  std::shared_ptr<const Program> program_;  // outlives the context
  std::unique_ptr<ExecutionContext> context_;
};

class FallbackStateStore : public StateStore {
 public:
  static Result<std::unique_ptr<StateStore>> Create(std::shared_ptr<StageGroup> group,
                                                    std::span<const Graph* const> graphs,
                                                    const CompileOptions& options);
  size_t bytes() const override;
  Status WriteRows(std::string_view state, int64_t slot, int64_t first_position,
                   const View& rows) override;
  View HostRows(std::string_view state, int64_t slot) const override;

  // The store of the group's provider, with what the states hold. While the group stays on `link`.
  Result<StateStore*> On(size_t link);

 private:
  FallbackStateStore(std::shared_ptr<StageGroup> group, std::span<const Graph* const> graphs,
                     const CompileOptions& options);
  Status MoveRows(StateStore& to) const;

  const std::shared_ptr<StageGroup> group_;
  const std::vector<const Graph*> graphs_;
  CompileOptions options_;  // sizes and precision
  mutable std::mutex mutex_;
  size_t link_ = 0;
  std::unique_ptr<StateStore> store_;
};

class FallbackProgram : public Program {
 public:
  FallbackProgram(std::shared_ptr<StageGroup> group, size_t stage)
      : group_(std::move(group)), stage_(stage) {}
  std::unique_ptr<ExecutionContext> NewContext(std::shared_ptr<ThreadPool> threads,
                                               const ExecutionContext* beside) const override;
  Status Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
             std::stop_token stop) const override;
  size_t weight_bytes() const override;
  const StagePlacement& placement() const override { return group_->placement(stage_); }

 private:
  Status RunOnce(FallbackContext& context, FallbackStateStore* states, const RunBindings& bindings,
                 std::stop_token stop, size_t* link, HopStage* at) const;

  const std::shared_ptr<StageGroup> group_;
  const size_t stage_;
};

}  // namespace tessera::fallback

#endif  // TESSERA_RUNTIME_FALLBACK_PROGRAM_H_
