#include "providers/fixed/compiled_stage.h"

#include <chrono>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "graph/passes/specialize_dims.h"

namespace tessera::fixed {
namespace {

constexpr const char* kModelFile = "model.onnx";

// "whisper.decoder-f16", "bert.encoder-128-f32": what tells the stages of a model apart.
std::string StageFolderName(const Graph& graph, const DimBindings& dims, OnnxWeights weights) {
  std::string name = graph.name();
  for (char& c : name)
    if (c == '/' || c == '\\' || c == ':') c = '_';
  for (const auto& [symbol, size] : dims) name += "-" + std::to_string(size);
  return name + (weights == OnnxWeights::kF16 ? "-f16" : "-f32");
}

size_t BytesOf(const std::string& path) {
  size_t total = 0;
  for (const std::string& file : {path, path + ".data"})
    if (const Result<uint64_t> size = FileSize(file); size.ok()) total += *size;
  return total;
}

}  // namespace

Result<std::unique_ptr<CompiledStage>> CompiledStage::Compile(const Graph& graph,
                                                              const DimBindings& dims,
                                                              const FixedBackend& backend,
                                                              const StageOptions& options,
                                                              std::stop_token stop) {
  const auto start = std::chrono::steady_clock::now();
  Graph bound = graph;
  TESSERA_RETURN_IF_ERROR(SpecializeDims(&bound, dims));
  TESSERA_ASSIGN_OR_RETURN(StepForm form, MakeStepForm(bound));
  std::unique_ptr<CompiledStage> stage(new CompiledStage(std::move(bound), std::move(form)));

  FixedCompileOptions compile{.stage = graph.name(),
                              .require_all_nodes = options.require_all_nodes,
                              .time_limit = options.time_limit};
  OnnxExportOptions onnx{
      .bind = dims, .external_data = true, .weights = options.weights, .states = OnnxStates::kStep};
  std::optional<TemporaryFolder> temporary;
  std::string folder;
  if (options.cache_folder.empty()) {
    TESSERA_ASSIGN_OR_RETURN(temporary, TemporaryFolder::Create());
    folder = temporary->path();
    onnx.flush = false;
  } else {
    compile.cache_folder =
        JoinPath(options.cache_folder, StageFolderName(graph, dims, options.weights));
    folder = JoinPath(compile.cache_folder, "onnx");
    TESSERA_RETURN_IF_ERROR(MakeFolders(folder));
  }
  const std::string path = JoinPath(folder, kModelFile);
  // The model file comes last and whole, so where it is, everything is.
  if (!FileExists(path)) TESSERA_RETURN_IF_ERROR(ExportOnnx(graph, path, onnx));
  stage->model_bytes_ = BytesOf(path);
  TESSERA_ASSIGN_OR_RETURN(stage->model_, backend.Compile(path, compile, stop));
  stage->placement_ =
      PlacementOfGraph(graph, stage->form_, backend.info(), stage->model_->placement());
  stage->placement_.compile_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return stage;
}

Status CompiledStage::Run(std::span<const NamedView> inputs,
                          std::span<const NamedMutableView> outputs, std::stop_token stop) const {
  const std::lock_guard<std::mutex> turn(turn_);
  return model_->Run(inputs, outputs, std::move(stop));
}

StagePlacement PlacementOfGraph(const Graph& graph, const StepForm& form, const BackendInfo& info,
                                StagePlacement record) {
  std::set<std::string_view> names;
  for (const Node& node : graph.nodes()) names.insert(node.name);
  for (NodePlacement& node : record.nodes) {
    size_t end = node.name.rfind('/');
    while (end != std::string::npos && end > 0 &&
           !names.contains(std::string_view(node.name).substr(0, end)))
      end = node.name.rfind('/', end - 1);
    if (end != std::string::npos && end > 0) node.name = node.name.substr(0, end + 1) + node.op;
  }
  record.stage = graph.name();
  record.provider = info.name;
  record.provider_version = info.version;
  record.device_name = info.device_name;
  record.device = info.device;
  record.emulated = info.emulated;
  for (const int32_t index : form.host_nodes)
    record.host_nodes.push_back(graph.nodes()[static_cast<size_t>(index)].name);
  return record;
}

}  // namespace tessera::fixed
