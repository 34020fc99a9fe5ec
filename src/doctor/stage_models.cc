#include "doctor/stage_models.h"

#include "base/check.h"
#include "base/file.h"
#include "graph/onnx/export.h"
#include "models/bert/import_onnx.h"
#include "models/bert/load.h"
#include "models/bert/stages.h"
#include "models/family.h"
#include "models/whisper/load.h"
#include "models/whisper/stages.h"

namespace tessera::doctor {
namespace {

Status AddStage(const Graph& graph, const std::string& name, const DimBindings& dims,
                StageModels& models) {
  OnnxExportOptions options;
  options.bind = dims;
  options.external_data = true;
  options.states = OnnxStates::kStep;
  const std::string path = JoinPath(models.folder.path(), name + ".onnx");
  auto status = ExportOnnx(graph, path, options);
  if (!status.ok()) return std::move(status).AddContext("stage " + name);
  models.stages.push_back({name, path});
  return OkStatus();
}

}  // namespace

Result<StageModels> ExportStages(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::Create());
  StageModels models{std::move(folder), {}};
  TESSERA_ASSIGN_OR_RETURN(const ModelFamily family, FindModelFamily(path));
  if (family == ModelFamily::kWhisper) {
    TESSERA_ASSIGN_OR_RETURN(const WhisperFiles files, LoadWhisperFiles(path));
    for (const std::string_view stage : kWhisperStages) {
      TESSERA_ASSIGN_OR_RETURN(const Graph graph,
                               BuildWhisperStage(stage, files.config, files.weights));
      TESSERA_RETURN_IF_ERROR(
          AddStage(graph, std::string(stage), SingleTokenDims(graph, files.config), models));
    }
    return models;
  }
  BertFiles files;
  if (path.ends_with(".onnx")) {
    TESSERA_ASSIGN_OR_RETURN(files, LoadBertOnnx(path));
  } else {
    auto loaded = LoadBertSafetensors(path);
    if (!loaded.ok() && loaded.status().code() == StatusCode::kNotFound &&
        FileExists(JoinPath(path, "onnx/model.onnx"))) {
      loaded = LoadBertOnnx(JoinPath(path, "onnx/model.onnx"));
    }
    TESSERA_ASSIGN_OR_RETURN(files, std::move(loaded));
  }
  TESSERA_ASSIGN_OR_RETURN(const Graph graph, BuildBertEncoder(files.config, files.weights));
  TESSERA_RETURN_IF_ERROR(
      AddStage(graph, "encoder", {{"tokens", kTextBucket}, {"sequences", 1}}, models));
  return models;
}

}  // namespace tessera::doctor
