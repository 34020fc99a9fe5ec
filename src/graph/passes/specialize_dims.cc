#include "graph/passes/specialize_dims.h"

#include <algorithm>

#include "graph/passes/editor.h"

namespace tessera {

Status SpecializeDims(Graph* graph, const DimBindings& bindings) {
  const std::vector<std::string> symbols = graph->Symbols();
  for (const auto& [symbol, size] : bindings) {
    if (std::ranges::binary_search(symbols, symbol)) continue;
    std::string known;
    for (const std::string& name : symbols) known += (known.empty() ? "'" : ", '") + name + "'";
    return InvalidArgument("graph '" + graph->name() + "' has no dimension '" + symbol +
                           "'; expected one of " + (known.empty() ? "none" : known));
  }
  std::vector<Dims> specialized;
  for (const Value& value : graph->values()) {
    Dims& dims = specialized.emplace_back(value.dims);
    for (Dim& dim : dims) {
      if (dim.IsConstant() || !bindings.contains(dim.symbol)) continue;
      auto size = EvaluateDim(dim, bindings);
      if (!size.ok()) return std::move(size).status().AddContext("value '" + value.name + "'");
      dim = Dim(*size);
    }
  }
  GraphEditor editor(graph);
  for (size_t id = 0; id < specialized.size(); ++id) {
    editor.SetDims(static_cast<ValueId>(id), std::move(specialized[id]));
  }
  return OkStatus();
}

}  // namespace tessera
