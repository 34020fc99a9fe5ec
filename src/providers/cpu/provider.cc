#include "providers/cpu/provider.h"

#include <chrono>

#include "providers/cpu/lowering.h"
#include "providers/cpu/weight_cache.h"

namespace tessera {
namespace {

// The lowering takes all nodes or none.
StagePlacement PlacementOf(const Graph& graph) {
  StagePlacement placement{.stage = graph.name(), .provider = "cpu"};
  for (const Node& node : graph.nodes())
    placement.nodes.push_back(
        {.name = node.name, .op = std::string(OpName(node.op)), .provider = "cpu"});
  return placement;
}

}  // namespace

Capability CpuProvider::GetCapability(const Graph& graph) const {
  // Every op of ops.h has a kernel; limits of shapes are found by Compile.
  return {.nodes = static_cast<int64_t>(graph.nodes().size()), .refused = {}};
}

Result<std::unique_ptr<Program>> CpuProvider::Compile(const Graph& graph,
                                                      const CompileOptions& options) const {
  const std::lock_guard<std::mutex> lock(pool_->mutex);
  const auto start = std::chrono::steady_clock::now();
  TESSERA_ASSIGN_OR_RETURN(cpu::Plan plan, cpu::LowerGraph(graph, options, pool_->pool));
  StagePlacement placement = PlacementOf(graph);
  placement.compile_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::unique_ptr<Program>(
      std::make_unique<cpu::CpuProgram>(std::move(plan), std::move(placement), pool_));
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
