#include "graph/passes/constant_fold.h"

#include <algorithm>

#include "graph/interpreter.h"
#include "graph/passes/editor.h"

namespace tessera {

Status FoldConstants(Graph* graph, const ConstantFoldLimits& limits) {
  GraphEditor editor(graph);
  for (const Node& node : graph->nodes()) {
    // In execution order, so that a chain folds in one sweep.
    const bool constant = std::ranges::all_of(node.inputs, [&](ValueId id) {
      return id == kNoValue || graph->value(id).kind == ValueKind::kConstant;
    });
    if (!constant) continue;
    const Value& output = graph->value(node.outputs[0]);
    TESSERA_ASSIGN_OR_RETURN(const Shape shape, EvaluateDims(output.dims, {}));
    TESSERA_ASSIGN_OR_RETURN(const double flops, NodeFlops(*graph, node, {}));
    const auto elements = CheckedNumElements(shape, limits.bytes);
    if (!elements.ok() ||
        *elements > limits.bytes / static_cast<int64_t>(DTypeSize(output.dtype)) ||
        flops > limits.flops) {
      continue;
    }
    std::vector<View> operands;
    operands.reserve(node.inputs.size());
    for (ValueId id : node.inputs) {
      operands.push_back(id == kNoValue ? View{} : graph->value(id).data);
    }
    auto result = InterpretNode(node.op, node.attributes, operands);
    if (!result.ok()) {
      return std::move(result).status().AddContext("folding node '" + node.name + "'");
    }
    editor.MakeConstant(node.outputs[0], std::move(result).value());
  }
  editor.Compact();
  return OkStatus();
}

}  // namespace tessera
