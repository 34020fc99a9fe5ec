// FallbackProvider: a chain of providers that looks like one, and never loses a run.
//
// Stages that share states form a group: they run on one link of the chain, since states have the
// form of their provider. A group begins at the first link and moves on for good when a stage
// cannot be compiled there, when its results differ too much from the CPU's (numerics_gate.h), when
// the CPU is faster (on request), or when a run fails. A run that fails is repeated on the next
// link with the same inputs; the states that earlier runs had made are taken out of the failed
// provider's host memory (StateStore::HostRows) and written into the next one's. So a text does not
// lose a word to a device that is lost in its middle. Every move is a Hop of the report.
//
// A run that fails for what the caller gave it (kInvalidArgument) or that was cancelled moves
// nothing. Thread-safe as ExecutionProvider asks for it: runs of a group go on side by side, a move
// waits for those that are under way.
#ifndef TESSERA_RUNTIME_FALLBACK_PROVIDER_H_
#define TESSERA_RUNTIME_FALLBACK_PROVIDER_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "providers/execution_provider.h"
#include "runtime/hop.h"
#include "runtime/placement_report.h"
#include "tessera/devices.h"

namespace tessera {

struct ChainLink {
  ProviderInfo info;
  std::shared_ptr<const ExecutionProvider> provider;
  // Our own CPU kernels: what others are compared with. Its runs are not questioned.
  bool trusted = false;
  // Version of the device's driver and firmware, where known: results are checked anew with others.
  std::string driver;
  // What it compiles with besides the model: a stage that failed to compile is tried again with
  // other options.
  std::string options;
  std::string cache_folder;  // that it keeps its compiled models in; "": none, or not limited
};

struct FallbackOptions {
  std::string requested;         // for the report
  bool required = false;         // the chain holds NPUs only; a failure is the caller's
  bool choose_by_speed = false;  // give a stage to the CPU when that is faster
  // Stages on emulators are never tried: a window would take minutes.
  bool check_numerics = true;
  // Stages that a compiler failed with at an earlier start are tried again.
  bool retry_failures = false;
};

namespace fallback {
class Chain;
class StageGroup;
}  // namespace fallback

class FallbackProvider : public ExecutionProvider {
 public:
  // `chain`: at least one link. `cpu`: for references and for what runs beside the model; also the
  // chain's last link, unless options.required. `hops`: how the chain came to be this one.
  FallbackProvider(std::vector<ChainLink> chain, std::shared_ptr<const ExecutionProvider> cpu,
                   FallbackOptions options, std::vector<Hop> hops = {});
  ~FallbackProvider() override;

  // Of the only link, or those of all, fit for a file name: "onnxruntime-qnn+cpu".
  std::string_view name() const override { return name_; }
  int num_threads() const override { return cpu_->num_threads(); }
  // Where any group is on a provider of fixed shapes.
  bool fixed_shapes() const override;
  // Of the first link.
  Capability GetCapability(const Graph& graph) const override;
  // kUnavailable with all hops when no link can run the stage. The graph must outlive the program.
  Result<std::unique_ptr<Program>> Compile(const Graph& graph,
                                           const CompileOptions& options) const override;
  std::shared_ptr<CompileCache> OpenCache(CompileCacheKey key) const override;
  // The graphs must be of one group.
  Result<std::unique_ptr<StateStore>> NewStateStore(std::span<const Graph* const> graphs,
                                                    const CompileOptions& options) const override;

  // As it is now, of the stages whose programs live.
  PlacementReport Report() const;
  const std::shared_ptr<const ExecutionProvider>& cpu() const { return cpu_; }
  // The last of the checks, once all stages are compiled: what they write together. Where a device
  // other than ours runs a stage and the answer is not known from an earlier start, `difference` is
  // asked: empty, or how the text differs from the CPU's; then every stage leaves the devices that
  // cannot be trusted. kUnavailable where nothing is left.
  Status CheckText(const std::function<Result<std::string>()>& difference) const;
  // A required device has failed in a run.
  bool required_device_failed() const;

 private:
  std::vector<std::shared_ptr<fallback::StageGroup>> Groups() const;

  const std::shared_ptr<fallback::Chain> chain_;
  const std::shared_ptr<const ExecutionProvider> cpu_;
  const std::string name_;
  mutable std::mutex mutex_;
  mutable std::vector<std::weak_ptr<fallback::StageGroup>> groups_;
};

}  // namespace tessera

#endif  // TESSERA_RUNTIME_FALLBACK_PROVIDER_H_
