#include "runtime/model_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/file.h"

#include "base/sha256.h"
#include "runtime/model_lock.h"
#include "runtime/model_pull.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxLockBytes = 4u << 20;

ModelState StateOf(const LockedModel& model, const std::string& folder) {
  size_t num_present = 0;
  for (const ModelFile& file : model.files) {
    const auto size = FileSize(JoinPath(folder, file.name));
    if (size.ok() && *size == file.bytes) ++num_present;
  }
  if (num_present == model.files.size()) return ModelState::kInstalled;
  return num_present == 0 ? ModelState::kAbsent : ModelState::kPartial;
}

uint64_t BytesInFolder(const std::string& folder) {
  const auto names = ListFolder(folder);
  uint64_t total = 0;
  if (names.ok()) {
    for (const std::string& name : *names) {
      const auto size = FileSize(JoinPath(folder, name));
      if (size.ok()) total += *size;
    }
  }
  return total;
}

const LockedModel* FindModel(const std::vector<LockedModel>& models, std::string_view name) {
  const auto it = std::find_if(models.begin(), models.end(),
                               [name](const LockedModel& model) { return model.name == name; });
  return it == models.end() ? nullptr : &*it;
}

std::string KnownNames(const std::vector<LockedModel>& models) {
  std::string names;
  for (const LockedModel& model : models) names += (names.empty() ? "" : ", ") + model.name;
  return names;
}

Status UnknownModel(std::string_view name, const std::vector<LockedModel>& models) {
  return NotFound("expected one of the models " + KnownNames(models) + ", found \"" +
                  std::string(name) + "\"");
}

struct Store {
  std::string folder;
  std::vector<LockedModel> models;
};

Result<Store> OpenStore(const ModelStoreOptions& options) {
  Store store;
  store.folder = options.folder;
  if (store.folder.empty()) {
    TESSERA_ASSIGN_OR_RETURN(store.folder, ModelsFolder());
  }
  if (options.lock_file.empty()) {
    TESSERA_ASSIGN_OR_RETURN(store.models, ParseModelLock(EmbeddedModelLock()));
  } else {
    TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.lock_file, kMaxLockBytes));
    TESSERA_ASSIGN_OR_RETURN(store.models, ParseModelLock(text));
  }
  return store;
}

// The name of a folder in the store, not a way out of it.
bool IsStoreName(std::string_view name) {
  return !name.empty() && name.front() != '.' &&
         name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

}  // namespace

std::string_view ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kAbsent:
      return "absent";
    case ModelState::kPartial:
      return "partial";
    case ModelState::kInstalled:
      return "installed";
  }
  return "unknown";
}

Result<std::vector<ModelInfo>> ListModels(const ModelStoreOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(const Store store, OpenStore(options));
  std::vector<ModelInfo> infos;
  for (const LockedModel& model : store.models) {
    ModelInfo info{model.name,    model.kind,    model.description,
                   model.licence, model.bytes(), model.is_default};
    info.path = JoinPath(store.folder, model.name);
    info.state = StateOf(model, info.path);
    infos.push_back(std::move(info));
  }
  if (!FolderExists(store.folder)) return infos;
  TESSERA_ASSIGN_OR_RETURN(const auto names, ListFolder(store.folder));
  for (const std::string& name : names) {
    const std::string path = JoinPath(store.folder, name);
    if (!IsStoreName(name) || FindModel(store.models, name) != nullptr || !FolderExists(path))
      continue;
    ModelInfo info;
    info.name = name;
    info.bytes = BytesInFolder(path);
    info.state = ModelState::kInstalled;
    info.path = path;
    infos.push_back(std::move(info));
  }
  return infos;
}

Result<std::string> PullModel(std::string_view name, const PullOptions& options,
                              const ModelStoreOptions& store_options) {
  TESSERA_ASSIGN_OR_RETURN(const Store store, OpenStore(store_options));
  const LockedModel* model = FindModel(store.models, name);
  if (model == nullptr) return UnknownModel(name, store.models);
  Status status = PullInto(*model, store.folder, options);
  if (!status.ok()) return std::move(status).AddContext("pulling model \"" + model->name + "\"");
  return JoinPath(store.folder, model->name);
}

Result<std::string> ModelPath(std::string_view name_or_path, const ModelStoreOptions& options) {
  const std::string text(name_or_path);
  if (text.find('/') == text.npos) {
    TESSERA_ASSIGN_OR_RETURN(const Store store, OpenStore(options));
    const LockedModel* model = FindModel(store.models, text);
    const std::string folder = JoinPath(store.folder, text);
    if (model != nullptr) {
      const ModelState state = StateOf(*model, folder);
      if (state == ModelState::kInstalled) return folder;
      return NotFound("expected model \"" + text + "\" in \"" + store.folder + "\", found " +
                      (state == ModelState::kPartial ? "only a part of it" : "nothing of it") +
                      "; run `tessera models pull " + text + "`");
    }
    if (IsStoreName(text) && FolderExists(folder)) return folder;
    if (!FileExists(text) && !FolderExists(text)) {
      return NotFound("expected the name of a model (" + KnownNames(store.models) +
                      ") or the path of a model's folder or file, found \"" + text + "\"");
    }
    return text;
  }
  if (FileExists(text) || FolderExists(text)) return text;
  return NotFound("expected a model's folder or file at \"" + text +
                  "\", found nothing; check the path");
}

Status VerifyModel(std::string_view name, const ModelStoreOptions& options, std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(const Store store, OpenStore(options));
  const LockedModel* model = FindModel(store.models, name);
  if (model == nullptr) return UnknownModel(name, store.models);
  const std::string folder = JoinPath(store.folder, model->name);
  std::string missing;
  std::string wrong;
  for (const ModelFile& file : model->files) {
    if (stop.stop_requested())
      return Cancelled("verifying model \"" + model->name + "\" was cancelled");
    const std::string path = JoinPath(folder, file.name);
    if (!FileExists(path)) {
      missing += (missing.empty() ? "" : ", ") + file.name;
      continue;
    }
    TESSERA_ASSIGN_OR_RETURN(const bool correct, FileIsCorrect(file.bytes, file.sha256, path));
    if (!correct) wrong += (wrong.empty() ? "" : ", ") + file.name;
  }
  const std::string advice = "; run `tessera models pull " + model->name + "`";
  if (!wrong.empty()) {
    return DataLoss("model \"" + model->name + "\" in \"" + folder +
                    "\": size or SHA-256 differ from models.lock in " + wrong +
                    (missing.empty() ? "" : ", missing are " + missing) + advice);
  }
  if (!missing.empty()) {
    return NotFound("model \"" + model->name + "\" in \"" + folder + "\": missing are " + missing +
                    advice);
  }
  return OkStatus();
}

}  // namespace tessera
