#ifndef TESSERA_GRAPH_PASSES_CONSTANT_FOLD_H_
#define TESSERA_GRAPH_PASSES_CONSTANT_FOLD_H_

#include "graph/graph.h"

namespace tessera {

struct ConstantFoldLimits {
  double flops = 1e8;                 // of one node: the scalar interpreter does about 1e9 a second
  int64_t bytes = int64_t{16} << 20;  // of one result
};

// Replaces nodes that read constants only by their result, computed with the reference interpreter.
// Nodes above a limit stay. Constants that lose their last reader are removed.
Status FoldConstants(Graph* graph, const ConstantFoldLimits& limits = {});

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_CONSTANT_FOLD_H_
