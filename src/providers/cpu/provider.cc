#include "providers/cpu/provider.h"

#include "providers/cpu/lowering.h"
#include "providers/cpu/weight_cache.h"

namespace tessera {

Capability CpuProvider::GetCapability(const Graph& graph) const {
  // Every op of ops.h has a kernel; limits of shapes are found by Compile.
  return {.nodes = static_cast<int64_t>(graph.nodes().size()), .refused = {}};
}

Result<std::unique_ptr<Program>> CpuProvider::Compile(const Graph& graph,
                                                      const CompileOptions& options) const {
  const std::lock_guard<std::mutex> lock(pool_->mutex);
  TESSERA_ASSIGN_OR_RETURN(cpu::Plan plan, cpu::LowerGraph(graph, options, pool_->pool));
  return std::unique_ptr<Program>(std::make_unique<cpu::CpuProgram>(std::move(plan), pool_));
}

std::shared_ptr<CompileCache> CpuProvider::OpenCache(CompileCacheKey key) const {
  return cpu::WeightCache::Open(std::move(key), pool_);
}

Result<std::unique_ptr<StateStore>> CpuProvider::NewStateStore(
    std::span<const Graph* const> graphs, const CompileOptions& options) const {
  TESSERA_ASSIGN_OR_RETURN(auto store, cpu::CpuStateStore::Create(graphs, options));
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace tessera
