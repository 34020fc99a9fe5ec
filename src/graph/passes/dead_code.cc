#include "graph/passes/dead_code.h"

#include "graph/passes/editor.h"

namespace tessera {

Status EliminateDeadCode(Graph* graph) {
  std::vector<bool> live(graph->values().size(), false);
  for (const GraphOutput& output : graph->outputs()) live[output.value] = true;
  for (const StateUpdate& update : graph->state_updates()) live[update.value] = true;
  GraphEditor editor(graph);
  // Nodes are in execution order: all readers of a value come after its producer.
  for (auto i = static_cast<int32_t>(graph->nodes().size()) - 1; i >= 0; --i) {
    const Node& node = graph->nodes()[i];
    if (!live[node.outputs[0]]) {
      editor.RemoveNode(i);
      continue;
    }
    for (ValueId id : node.inputs) {
      if (id != kNoValue) live[id] = true;
    }
  }
  editor.Compact();
  return OkStatus();
}

}  // namespace tessera
