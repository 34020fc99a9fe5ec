#ifndef TESSERA_GRAPH_PASSES_SPECIALIZE_DIMS_H_
#define TESSERA_GRAPH_PASSES_SPECIALIZE_DIMS_H_

#include "graph/graph.h"

namespace tessera {

// Replaces the symbols in `bindings` by their sizes everywhere. Error, with the graph as it was,
// when the graph has no such symbol or a dimension becomes negative.
Status SpecializeDims(Graph* graph, const DimBindings& bindings);

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_SPECIALIZE_DIMS_H_
