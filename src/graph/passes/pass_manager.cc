#include "graph/passes/pass_manager.h"

#include "graph/passes/constant_fold.h"
#include "graph/passes/dead_code.h"
#include "graph/verify.h"

namespace tessera {

PassManager PassManager::Default() {
  PassManager manager;
  manager.Add("FoldConstants", [](Graph* graph) { return FoldConstants(graph); });
  manager.Add("EliminateDeadCode", EliminateDeadCode);
  return manager;
}

PassManager& PassManager::Add(std::string name, Pass pass) {
  passes_.push_back({std::move(name), std::move(pass)});
  return *this;
}

Result<Graph> PassManager::Run(Graph graph) const {
  for (const Named& named : passes_) {
    Status status = named.pass(&graph);
    if (!status.ok()) return std::move(status).AddContext("pass " + named.name);
    status = VerifyGraph(graph);
    if (!status.ok())
      return Internal("pass " + named.name + " broke the graph: " + status.message());
  }
  return graph;
}

}  // namespace tessera
