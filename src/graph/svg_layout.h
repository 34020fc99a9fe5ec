// Layered layout of a directed acyclic graph, top to bottom: each box below all boxes it reads,
// long edges led around the boxes between. The classic scheme: layers, stand-ins on long edges,
// crossings reduced by barycentres, then horizontal positions.
#ifndef TESSERA_GRAPH_SVG_LAYOUT_H_
#define TESSERA_GRAPH_SVG_LAYOUT_H_

#include <string>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct LayoutBox {
  double width = 0;
  std::vector<int> sources;  // boxes that this one reads: lower indices only
  double x = 0;              // centre, set by the layout
  int layer = 0;             // from 0 at the top, set by the layout
};

struct LayoutPoint {
  double x;
  int layer;
};
// From a box to one that reads it, through the layers between.
struct LayoutEdge {
  int from, to;
  std::vector<LayoutPoint> bends;
};

struct Layout {
  std::vector<LayoutBox> boxes;
  std::vector<LayoutEdge> edges;
  double width = 0;
  int layers = 0;
};

// Sets x and layer of each box; x lies in [0, width]. kResourceExhausted above 100000 boxes and
// bends.
Result<Layout> LayOut(std::vector<LayoutBox> boxes);

}  // namespace tessera

#endif  // TESSERA_GRAPH_SVG_LAYOUT_H_
