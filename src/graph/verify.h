// The invariants of a Graph, checked in one place: after building and after every pass.
#ifndef TESSERA_GRAPH_VERIFY_H_
#define TESSERA_GRAPH_VERIFY_H_

#include "graph/graph.h"

namespace tessera {

// Ok when: value names and node names are unique and not empty; every id names a value; inputs,
// states, constants and nodes are of their kinds; each node reads only values that are there before
// it runs; each node's output has the type and dimensions of its shape rule; output names are
// unique, and there is an output or a state update; each state is updated at most once, by a value
// of its type and dimensions. Else the first violation, with the node's name.
Status VerifyGraph(const Graph& graph);

}  // namespace tessera

#endif  // TESSERA_GRAPH_VERIFY_H_
