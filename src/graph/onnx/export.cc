#include "graph/onnx/export.h"

#include "graph/onnx/lowering.h"
#include "graph/passes/specialize_dims.h"

namespace tessera {

Status ExportOnnx(const Graph& graph, const std::string& path, const OnnxExportOptions& options) {
  Graph bound = graph;
  Status status = SpecializeDims(&bound, options.bind);
  onnx::ModelWriter writer(path, options.external_data);
  if (status.ok()) status = onnx::Lowering(bound, options.weights, &writer).Run();
  if (status.ok()) status = writer.Finish(bound.name());
  return std::move(status).AddContext("ONNX export of graph '" + graph.name() + "'");
}

}  // namespace tessera
