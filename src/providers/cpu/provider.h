// The CPU engine as an ExecutionProvider: always there, takes every graph that we build.
#ifndef TESSERA_PROVIDERS_CPU_PROVIDER_H_
#define TESSERA_PROVIDERS_CPU_PROVIDER_H_

#include <memory>

#include "providers/cpu/program.h"
#include "providers/execution_provider.h"

namespace tessera {

class CpuProvider : public ExecutionProvider {
 public:
  // num_threads 0: all usable cores. Programs of one provider share its threads and take turns.
  explicit CpuProvider(int num_threads = 0)
      : pool_(std::make_shared<cpu::SharedPool>(num_threads)) {}

  std::string_view name() const override { return "cpu"; }
  Capability GetCapability(const Graph& graph) const override;
  Result<std::unique_ptr<Program>> Compile(const Graph& graph,
                                           const CompileOptions& options) const override;
  // Of packed weights (weight_cache.h).
  std::shared_ptr<CompileCache> OpenCache(CompileCacheKey key) const override;
  Result<std::unique_ptr<StateStore>> NewStateStore(std::span<const Graph* const> graphs,
                                                    const CompileOptions& options) const override;
  int num_threads() const override { return pool_->pool.num_threads(); }

 private:
  std::shared_ptr<cpu::SharedPool> pool_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_CPU_PROVIDER_H_
