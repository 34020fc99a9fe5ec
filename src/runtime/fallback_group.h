// The parts of FallbackProvider: the chain that all groups share, and a group of stages that moves
// along it. Internal to fallback_*.cc.
#ifndef TESSERA_RUNTIME_FALLBACK_GROUP_H_
#define TESSERA_RUNTIME_FALLBACK_GROUP_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <vector>

#include "runtime/compiled_cache.h"
#include "runtime/fallback_provider.h"
#include "runtime/verdict_store.h"

namespace tessera::fallback {

// Thread-safe.
class Chain {
 public:
  Chain(std::vector<ChainLink> links, std::shared_ptr<const ExecutionProvider> cpu,
        FallbackOptions options, std::vector<Hop> hops)
      : links(std::move(links)),
        cpu(std::move(cpu)),
        options(std::move(options)),
        hops_(std::move(hops)),
        failed_(this->links.size()) {}

  const std::vector<ChainLink> links;
  const std::shared_ptr<const ExecutionProvider> cpu;
  const FallbackOptions options;

  void AddHop(Hop hop);
  std::vector<Hop> hops() const;
  // Why the device of a link is not to be trusted with further runs; ok where it is.
  Status failure(size_t link) const;
  void Fail(size_t link, const Status& why);
  // Null before a model's cache was opened.
  std::shared_ptr<VerdictStore> verdicts() const;
  // What compilers failed at.
  std::shared_ptr<VerdictStore> failures() const;
  void SetStores(std::shared_ptr<VerdictStore> verdicts, std::shared_ptr<VerdictStore> failures);
  // Held as long as the chain is.
  void Hold(std::shared_ptr<const CompiledCacheUse> use);
  // kUnavailable: every hop, one a line.
  Status NothingLeft() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Hop> hops_;
  std::vector<Status> failed_;
  std::atomic<bool> any_failed_ = false;  // most runs need no lock to know that none has
  std::shared_ptr<VerdictStore> verdicts_, failures_;
  std::vector<std::shared_ptr<const CompiledCacheUse>> uses_;
};

// One CompileCache for all links.
class ChainCache : public CompileCache {
 public:
  // `folders`: of compiled models, which are kept within their limit.
  ChainCache(std::vector<std::shared_ptr<CompileCache>> links, std::set<std::string> folders)
      : links_(std::move(links)), folders_(std::move(folders)) {}
  Result<bool> Commit() override;
  const std::shared_ptr<CompileCache>& of(size_t link) const { return links_[link]; }

 private:
  const std::vector<std::shared_ptr<CompileCache>> links_;
  const std::set<std::string> folders_;
};

class StageGroup {
 public:
  explicit StageGroup(std::shared_ptr<Chain> chain) : chain_(std::move(chain)) {}

  bool SharesStatesWith(const Graph& graph) const;
  bool Holds(const Graph& graph) const;
  // Compiles the stage where the group is, or moves the group on until all its stages can be there.
  // The stage's number.
  Result<size_t> Add(const Graph& graph, const CompileOptions& options);

  // What a run uses, while the group stays where it is.
  struct Use {
    std::shared_lock<std::shared_mutex> lock;
    size_t link = 0;
    std::shared_ptr<const Program> program;
  };
  // `stage` nothing: no program. Moves the group first when its device has failed elsewhere.
  Result<Use> Begin(std::optional<size_t> stage);
  // Leaves `link`, unless another run has already. An error where there is no next one.
  Status MoveFrom(size_t link, Hop hop);
  // To the first trusted link, from any other; nothing where the group is on one.
  Status MoveToTrusted(const Hop& hop);

  size_t link() const;
  const Chain& chain() const { return *chain_; }
  Chain& chain() { return *chain_; }
  // Of the stage where the group is; valid as long as the group lives.
  const StagePlacement& placement(size_t stage) const;
  const Graph& graph(size_t stage) const;
  std::vector<StageReport> Report() const;

 private:
  struct Stage {
    const Graph* graph = nullptr;
    CompileOptions options;                                   // without cache
    std::map<std::string, kernels::Precision> linears;        // what options.linear_precision said
    std::shared_ptr<const Program> program;                   // where the group is
    std::vector<std::unique_ptr<StagePlacement>> placements;  // by link, once compiled there
    std::optional<Verdict> checks;
  };

  // Below: `mutex_` is held for writing.
  Status MoveOn(Hop hop);
  Status CompileFrom(size_t link);
  std::optional<Hop> CompileOn(size_t link);
  std::optional<Hop> Judge(size_t link);
  Result<Verdict> Try(size_t link, bool measure);
  std::string VerdictName(size_t link) const;
  std::string FailureName(size_t link, const Graph& graph) const;
  // That an earlier start had, where it is not to be tried again.
  std::optional<Hop> RememberedFailure(size_t link, const Graph& graph) const;

  const std::shared_ptr<Chain> chain_;
  mutable std::shared_mutex mutex_;
  std::vector<std::unique_ptr<Stage>> stages_;
  size_t link_ = 0;
  std::shared_ptr<ChainCache> cache_;  // during Add
};

}  // namespace tessera::fallback

#endif  // TESSERA_RUNTIME_FALLBACK_GROUP_H_
