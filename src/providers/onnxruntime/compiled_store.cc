#include "providers/onnxruntime/compiled_store.h"

#include <algorithm>
#include <mutex>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "base/file_lock.h"
#include "base/sha256.h"
#include "formats/json.h"
#include "formats/onnx.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kModelFile = "model.onnx";
constexpr size_t kShownDigits = 12;

std::mutex manifest_mutex;  // writers of one process take turns

std::string SafeName(std::string_view stage) {
  std::string name;
  for (const char c : stage) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    name += plain ? c : '_';
  }
  return name.empty() || name[0] == '.' ? "stage" + name : name;
}

Json OptionsToJson(const OrtOptions& options) {
  Json object = Json::object();
  OrtOptions sorted = options;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [key, value] : sorted) object[key] = value;
  return object;
}

Json KeyToJson(const CompiledKey& key) {
  return Json{{"stage", key.stage},
              {"model_sha256", key.model_sha256},
              {"provider", key.ep},
              {"versions", key.versions},
              {"options", OptionsToJson(key.options)}};
}

std::string TextOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The manifest's list of stages; an empty one where there is no manifest of this format.
Json StagesOf(const std::string& folder) {
  Json stages = Json::array();
  const Result<nlohmann::json> manifest = ParseJsonFile(JoinPath(folder, kManifest));
  if (!manifest.ok() || !manifest->is_object() || manifest->value("format", 0) != kFormat) {
    return stages;
  }
  const auto list = manifest->find("stages");
  if (list == manifest->end() || !list->is_array()) return stages;
  for (const auto& stage : *list) {
    if (stage.is_object()) stages.push_back(Json(stage));
  }
  return stages;
}

bool IsOfKey(const Json& stage, const CompiledKey& key, bool any_version) {
  if (TextOf(stage, "model_sha256") != key.model_sha256 || TextOf(stage, "provider") != key.ep) {
    return false;
  }
  if (any_version) return true;
  return TextOf(stage, "versions") == key.versions &&
         stage.value("options", Json()) == OptionsToJson(key.options);
}

// A file's name in the manifest: one component, nothing hidden.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find_first_of("/\\") == std::string::npos;
}

Status VerifyFiles(const Json& stage, const std::string& folder) {
  const auto files = stage.find("files");
  if (files == stage.end() || !files->is_array()) return DataLoss("the manifest lists no files");
  bool has_model = false;
  for (const Json& file : *files) {
    if (!file.is_object()) return DataLoss("the manifest's list of files is broken");
    const std::string name = TextOf(file, "name");
    if (!IsPlainName(name)) return DataLoss("the manifest names a file outside of its folder");
    TESSERA_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(JoinPath(folder, name)));
    if (digest != TextOf(file, "sha256")) {
      return DataLoss(JoinPath(folder, name) + " is not the file that was written");
    }
    has_model = has_model || name == kModelFile;
  }
  return has_model ? OkStatus() : DataLoss("the manifest has no " + std::string(kModelFile));
}

Result<CompiledModel> ReadStage(const Json& stage, const std::string& folder) {
  const std::string name = TextOf(stage, "folder");
  if (!IsPlainName(name)) return DataLoss("the manifest names a folder outside of its own");
  const std::string path = JoinPath(folder, name);
  TESSERA_RETURN_IF_ERROR(VerifyFiles(stage, path));
  CompiledModel model;
  model.path = JoinPath(path, kModelFile);
  model.versions = TextOf(stage, "versions");
  const auto outcome = stage.find("outcome");
  if (outcome == stage.end()) return DataLoss("the manifest does not say what was compiled");
  TESSERA_ASSIGN_OR_RETURN(model.outcome, ParseCompileOutcome(outcome->dump()));
  return model;
}

Result<Json> DescribeFiles(const std::string& folder) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  Json files = Json::array();
  for (const std::string& name : names) {
    const std::string path = JoinPath(folder, name);
    TESSERA_ASSIGN_OR_RETURN(const uint64_t bytes, FileSize(path));
    TESSERA_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
    files.push_back({{"name", name}, {"bytes", bytes}, {"sha256", digest}});
  }
  return files;
}

// "float [1, 80, 3000]" by name.
Json DescribeTensors(const std::vector<OnnxValueInfo>& tensors) {
  Json object = Json::object();
  for (const OnnxValueInfo& tensor : tensors) {
    std::string text = OnnxTypeName(tensor.type) + " [";
    if (tensor.dims) {
      const char* separator = "";
      for (const OnnxDim& dim : *tensor.dims) {
        text += separator + (dim.value >= 0 ? std::to_string(dim.value) : std::string(dim.symbol));
        separator = ", ";
      }
    }
    object[std::string(tensor.name)] = text + "]";
  }
  return object;
}

}  // namespace

Result<std::string> Sha256OfOnnx(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel model, ReadOnnx(path));
  Sha256 sha;
  for (const auto& file : model.files) sha.Update(file->bytes());
  return sha.Finish();
}

Result<CompiledModel> CompiledStore::Find(const CompiledKey& key, bool any_version) const {
  Status damage;
  std::string others;
  for (const Json& stage : StagesOf(folder_)) {
    if (!IsOfKey(stage, key, any_version)) {
      others += (others.empty() ? "" : ", ") + TextOf(stage, "stage") + " (" +
                TextOf(stage, "provider") + ", model " +
                TextOf(stage, "model_sha256").substr(0, kShownDigits) + ")";
      continue;
    }
    Result<CompiledModel> model = ReadStage(stage, folder_);
    if (model.ok()) return model;
    damage = model.status();
  }
  if (!damage.ok()) return NotFound(folder_ + ": " + damage.message());
  return NotFound(folder_ + " holds nothing compiled for " + key.stage + " (" + key.ep +
                  ", model " + key.model_sha256.substr(0, kShownDigits) + ")" +
                  (others.empty() ? "" : "; it holds " + others));
}

Result<CompiledModel> CompiledStore::Make(
    const CompiledKey& key,
    const std::function<CompileOutcome(const std::string& path)>& compile) const {
  Sha256 sha;
  const std::string text = KeyToJson(key).dump(-1, ' ', false, Json::error_handler_t::replace);
  sha.Update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  const std::string name = SafeName(key.stage) + "-" + sha.Finish().substr(0, kShownDigits);
  const std::string final_folder = JoinPath(folder_, name);
  const std::string staging = JoinPath(folder_, ".making-" + name);
  TESSERA_RETURN_IF_ERROR(MakeFolders(folder_));
  TESSERA_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Acquire(final_folder));
  TESSERA_RETURN_IF_ERROR(RemoveFolder(staging));  // of a process that was ended
  TESSERA_RETURN_IF_ERROR(MakeFolders(staging));
  CompileOutcome outcome = compile(JoinPath(staging, kModelFile));
  const auto finish = [&]() -> Status {
    TESSERA_RETURN_IF_ERROR(outcome.status);
    Json stage = KeyToJson(key);
    stage["folder"] = name;
    TESSERA_ASSIGN_OR_RETURN(stage["files"], DescribeFiles(staging));
    TESSERA_ASSIGN_OR_RETURN(const OnnxModel model, ReadOnnx(JoinPath(staging, kModelFile)));
    stage["inputs"] = DescribeTensors(model.graph.inputs);
    stage["outputs"] = DescribeTensors(model.graph.outputs);
    stage["outcome"] = Json::parse(CompileOutcomeToJson(outcome));
    TESSERA_RETURN_IF_ERROR(RemoveFolder(final_folder));
    TESSERA_RETURN_IF_ERROR(RenameFile(staging, final_folder));
    const std::lock_guard manifest_lock(manifest_mutex);
    Json stages = Json::array();
    for (Json& other : StagesOf(folder_)) {
      if (TextOf(other, "folder") != name) stages.push_back(std::move(other));
    }
    stages.push_back(std::move(stage));
    return WriteFileAtomically(JoinPath(folder_, kManifest),
                               Json{{"format", kFormat}, {"stages", std::move(stages)}}.dump(
                                   1, ' ', false, Json::error_handler_t::replace) +
                                   "\n");
  };
  if (Status status = finish(); !status.ok()) {
    if (const Status removed = RemoveFolder(staging); !removed.ok()) {
      return std::move(status).AddContext(removed.message());
    }
    return status;
  }
  CompiledModel made;
  made.path = JoinPath(final_folder, kModelFile);
  made.outcome = std::move(outcome);
  made.versions = key.versions;
  return made;
}

}  // namespace tessera
