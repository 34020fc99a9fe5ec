// A graph as a drawing: one self-contained SVG file, no script, no outside reference.
#ifndef TESSERA_GRAPH_SVG_H_
#define TESSERA_GRAPH_SVG_H_

#include <string>

#include "graph/graph.h"

namespace tessera {

// Data flows from top to bottom. A node shows its op (by colour too), name, output dimensions, the
// bytes of its weights and, when `bindings` binds every symbol, its FLOPs; its bar shows the share
// of the costliest node. Constants are not drawn on their own. kInvalidArgument when only some
// symbols are bound; kResourceExhausted for a graph that is too large to draw.
Result<std::string> DrawGraph(const Graph& graph, const DimBindings& bindings = {});

}  // namespace tessera

#endif  // TESSERA_GRAPH_SVG_H_
