#include "providers/fixed/compiled_stage.h"

#include <chrono>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/debug_log.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/temporary_folder.h"
#include "formats/onnx_writer.h"
#include "graph/passes/equalize.h"
#include "graph/passes/specialize_dims.h"
#include "providers/quantize/qdq.h"

namespace tessera::fixed {
namespace {

constexpr const char* kModelFile = "model.onnx";

// How a stage is written as ONNX.
struct ModelForm {
  OnnxExportOptions onnx;
  const Quantization* quantization = nullptr;
  std::set<std::string, std::less<>> masks;  // the inputs that are
};

// "whisper.decoder-f16", "bert.encoder-128-a16w8-HASH": what tells the stages of a model apart.
std::string StageFolderName(const Graph& graph, const DimBindings& dims, const ModelForm& form) {
  std::string name = graph.name();
  for (char& c : name)
    if (c == '/' || c == '\\' || c == ':') c = '_';
  for (const auto& [symbol, size] : dims) name += "-" + std::to_string(size);
  if (form.quantization != nullptr) return name + "-" + form.quantization->Key();
  return name + (form.onnx.weights == OnnxWeights::kF16 ? "-f16" : "-f32");
}

// An exported model, where it lies.
struct ModelFile {
  std::string path;
  std::string cache_folder;                  // "": nothing is kept
  std::optional<TemporaryFolder> temporary;  // that holds it
};

size_t BytesOf(const std::string& path) {
  size_t total = 0;
  for (const std::string& name : {path, path + ".data"})
    if (const Result<uint64_t> size = FileSize(name); size.ok()) total += *size;
  return total;
}

// Of a model and its data file, where there is one; "" where there is no model.
std::string ChecksumOf(const std::string& path) {
  std::string text;
  for (const std::string& name : {path, path + ".data"})
    if (const auto file = MappedFile::Open(name); file.ok())
      text += std::to_string(Checksum64((*file)->bytes())) + "\n";
  return text;
}

// Writes the model over the float one at `path`.
Status Quantize(const Graph& graph, const ModelForm& form, const std::string& path) {
  const auto statistics = form.quantization->stages.find(graph.name());
  if (statistics == form.quantization->stages.end())
    return InvalidArgument("the quantization knows nothing of stage " + graph.name());
  TESSERA_ASSIGN_OR_RETURN(OnnxModel model, ReadOnnx(path));
  const QdqOptions options{.activation_bits = form.quantization->activation_bits,
                           .masks = form.masks};
  TESSERA_RETURN_IF_ERROR(QuantizeOnnx(statistics->second, options, &model));
  return WriteOnnx(model, path);
}

Status Export(const Graph& graph, const ModelForm& form, const std::string& path) {
  if (form.quantization == nullptr) return ExportOnnx(graph, path, form.onnx);
  OnnxExportOptions onnx = form.onnx;
  onnx.flush = false;  // until it is quantized
  TESSERA_RETURN_IF_ERROR(ExportOnnx(graph, path, onnx));
  return Quantize(graph, form, path).AddContext("quantizing " + graph.name());
}

// Exports into `folder`, unless the whole model is there already.
Status KeepModel(const Graph& graph, const ModelForm& form, const std::string& folder,
                 const std::string& path) {
  TESSERA_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string checksum = JoinPath(folder, "checksum");
  const Result<std::string> kept = ReadFile(checksum, 1024);
  if (kept.ok() && !kept->empty() && *kept == ChecksumOf(path)) return OkStatus();
  TESSERA_RETURN_IF_ERROR(Export(graph, form, path));
  return WriteFileAtomically(checksum, ChecksumOf(path));
}

Result<ModelFile> ExportModel(const Graph& graph, ModelForm form, const std::string& cache_folder) {
  ModelFile file;
  if (!cache_folder.empty()) {
    const std::string folder = JoinPath(cache_folder, "onnx");
    file.path = JoinPath(folder, kModelFile);
    const Status kept = KeepModel(graph, form, folder, file.path);
    if (kept.ok()) {
      file.cache_folder = cache_folder;
      return file;
    }
    DebugLog(graph.name() + " is compiled without a cache: " + kept.message());
  }
  TESSERA_ASSIGN_OR_RETURN(file.temporary, TemporaryFolder::Create());
  file.path = JoinPath(file.temporary->path(), kModelFile);
  form.onnx.flush = false;
  TESSERA_RETURN_IF_ERROR(Export(graph, form, file.path));
  return file;
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
  ModelForm model_form;
  model_form.onnx = {
      .bind = dims, .external_data = true, .weights = options.weights, .states = OnnxStates::kStep};
  model_form.quantization = backend.info().quantization.get();
  Graph written = graph;
  int bits = options.observed_bits;
  if (model_form.quantization != nullptr) bits = model_form.quantization->activation_bits;
  if (bits > 0) {
    model_form.onnx.weights = OnnxWeights::kF32;
    model_form.onnx.gelu = OnnxGelu::kOp;
    TESSERA_RETURN_IF_ERROR(EqualizeLinears(&written));
    for (const StepForm::Mask& mask : stage->form().masks) model_form.masks.insert(mask.name);
  }
  const std::string folder =
      options.cache_folder.empty()
          ? ""
          : JoinPath(options.cache_folder, StageFolderName(graph, dims, model_form));
  TESSERA_ASSIGN_OR_RETURN(const ModelFile file, ExportModel(written, model_form, folder));
  compile.cache_folder = file.cache_folder;
  stage->model_bytes_ = BytesOf(file.path);
  TESSERA_ASSIGN_OR_RETURN(stage->model_, backend.Compile(file.path, compile, stop));
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
  if (info.quantization != nullptr) record.precision = info.quantization->Name();
  for (const int32_t index : form.host_nodes)
    record.host_nodes.push_back(graph.nodes()[static_cast<size_t>(index)].name);
  return record;
}

}  // namespace tessera::fixed
