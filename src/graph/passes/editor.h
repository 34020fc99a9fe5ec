// GraphEditor: the only way to change a finished graph. Used by the passes.
//
// Ids stay valid until Compact(), which renumbers values and nodes. Between calls the graph may
// break its invariants; VerifyGraph tells whether it is whole again. Not thread-safe.
#ifndef TESSERA_GRAPH_PASSES_EDITOR_H_
#define TESSERA_GRAPH_PASSES_EDITOR_H_

#include <set>

#include "graph/graph.h"

namespace tessera {

class GraphEditor {
 public:
  // `graph` must outlive the editor.
  explicit GraphEditor(Graph* graph) : graph_(graph) {}

  const Graph& graph() const { return *graph_; }
  void SetDims(ValueId id, Dims dims) { graph_->values_[id].dims = std::move(dims); }
  // The output of a node becomes a constant with these elements, and the node goes at Compact(); a
  // constant gets other elements.
  void MakeConstant(ValueId id, Tensor tensor);
  // The node goes at Compact(), with its output.
  void RemoveNode(int32_t index) { removed_.insert(index); }
  // Drops removed nodes, their outputs and constants that nothing reads, and renumbers. Inputs and
  // states stay, read or not: they are the graph's interface.
  void Compact();

 private:
  Graph* graph_;
  std::set<int32_t> removed_;
};

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_EDITOR_H_
