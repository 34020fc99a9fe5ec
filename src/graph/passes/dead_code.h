#ifndef TESSERA_GRAPH_PASSES_DEAD_CODE_H_
#define TESSERA_GRAPH_PASSES_DEAD_CODE_H_

#include "graph/graph.h"

namespace tessera {

// Removes nodes whose result reaches no output and no state update, and constants that nothing
// reads.
Status EliminateDeadCode(Graph* graph);

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_DEAD_CODE_H_
