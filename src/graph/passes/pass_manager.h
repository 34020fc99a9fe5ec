// A list of named passes, each followed by VerifyGraph.
#ifndef TESSERA_GRAPH_PASSES_PASS_MANAGER_H_
#define TESSERA_GRAPH_PASSES_PASS_MANAGER_H_

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tessera {

class PassManager {
 public:
  using Pass = std::function<Status(Graph*)>;

  // Constant folding, then dead code elimination: what every provider and export wants.
  static PassManager Default();

  PassManager& Add(std::string name, Pass pass);
  // The changed graph. Errors name the pass; one that leaves a broken graph is kInternal.
  Result<Graph> Run(Graph graph) const;

 private:
  struct Named {
    std::string name;
    Pass pass;
  };
  std::vector<Named> passes_;
};

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_PASS_MANAGER_H_
