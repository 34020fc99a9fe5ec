#include "graph/onnx/export.h"

#include <optional>

#include "base/check.h"
#include "graph/onnx/lowering.h"
#include "graph/onnx/step.h"
#include "graph/passes/specialize_dims.h"

namespace tessera {
namespace {

Status Export(const Graph& graph, const std::string& path, const OnnxExportOptions& options) {
  Graph bound = graph;
  TESSERA_RETURN_IF_ERROR(SpecializeDims(&bound, options.bind));
  std::optional<StepForm> step;
  if (options.states == OnnxStates::kStep) {
    TESSERA_ASSIGN_OR_RETURN(step, MakeStepForm(bound));
  }
  const int64_t opset = options.gelu == OnnxGelu::kOp ? 20 : 17;
  onnx::ModelWriter writer(path, opset, options.external_data,
                           options.flush ? AtomicFileWriter::Durability::kFlush
                                         : AtomicFileWriter::Durability::kNoFlush);
  onnx::Lowering lowering(bound, options.weights, options.gelu, step ? &*step : nullptr, &writer);
  TESSERA_RETURN_IF_ERROR(lowering.Run());
  return writer.Finish(bound.name());
}

}  // namespace

Status ExportOnnx(const Graph& graph, const std::string& path, const OnnxExportOptions& options) {
  return Export(graph, path, options).AddContext("ONNX export of graph '" + graph.name() + "'");
}

}  // namespace tessera
