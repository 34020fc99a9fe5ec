// A graph as text: one line each for inputs, states, nodes and outputs, for logs, bug reports and
// golden tests.
#ifndef TESSERA_GRAPH_DUMP_H_
#define TESSERA_GRAPH_DUMP_H_

#include <string>

#include "graph/graph.h"

namespace tessera {

// Deterministic. Constants are shown where they are read, with type and shape:
// "conv1.weight:f16[512, 80, 3]".
std::string DumpGraph(const Graph& graph);

// "1.5 MB": three significant digits, decimal units.
std::string FormatBytes(double bytes);
// "12.3 GFLOP".
std::string FormatFlops(double flops);

}  // namespace tessera

#endif  // TESSERA_GRAPH_DUMP_H_
