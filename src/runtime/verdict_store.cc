#include "runtime/verdict_store.h"

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/debug_log.h"
#include "base/file.h"
#include "formats/json.h"

namespace tessera {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

Verdict VerdictOf(const nlohmann::json& json) {
  Verdict verdict;
  verdict.accurate = json.value("accurate", false);
  verdict.cosine = json.value("cosine", 0.0);
  verdict.relative_error = json.value("relative_error", 0.0);
  verdict.reason = json.value("reason", "");
  verdict.device_seconds = json.value("device_seconds", 0.0);
  verdict.cpu_seconds = json.value("cpu_seconds", 0.0);
  return verdict;
}

nlohmann::ordered_json JsonOf(const Verdict& v) {
  return {{"accurate", v.accurate},
          {"cosine", v.cosine},
          {"relative_error", v.relative_error},
          {"reason", v.reason},
          {"device_seconds", v.device_seconds},
          {"cpu_seconds", v.cpu_seconds}};
}

CompileFailure FailureOf(const nlohmann::json& json) {
  CompileFailure failure;
  failure.code = static_cast<StatusCode>(json.value("code", 0));
  failure.message = json.value("message", "");
  failure.date = json.value("date", "");
  return failure;
}

nlohmann::ordered_json JsonOf(const CompileFailure& f) {
  return {{"code", static_cast<int>(f.code)}, {"message", f.message}, {"date", f.date}};
}

}  // namespace

bool IsLastingFailure(StatusCode code) {
  return code == StatusCode::kUnimplemented || code == StatusCode::kInternal ||
         code == StatusCode::kDeadlineExceeded;
}

Result<std::string> VerdictFolder() {
  TESSERA_ASSIGN_OR_RETURN(const std::string cache, CacheFolder());
  return JoinPath(cache, "placement");
}

Status ClearVerdicts(const std::string& folder) {
  if (!FolderExists(folder)) return OkStatus();
  TESSERA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  for (const std::string& name : names)
    if (name.ends_with(".json")) TESSERA_RETURN_IF_ERROR(RemoveFile(JoinPath(folder, name)));
  return OkStatus();
}

VerdictStore::VerdictStore(std::string file, std::string identity)
    : file_(std::move(file)), identity_(std::move(identity)) {
  if (file_.empty() || !FileExists(file_)) return;
  const Result<nlohmann::json> json = ParseJsonFile(file_, kMaxJsonDepth, kMaxBytes);
  if (!json.ok()) {
    DebugLog(json.status().message());
    return;
  }
  try {
    if (json->at("identity").get<std::string>() != identity_) return;
    for (const auto& [name, verdict] : json->at("verdicts").items())
      verdicts_.emplace(name, VerdictOf(verdict));
    if (!json->contains("failures")) return;
    for (const auto& [name, failure] : json->at("failures").items()) {
      CompileFailure known = FailureOf(failure);
      if (IsLastingFailure(known.code)) failures_.emplace(name, std::move(known));
    }
  } catch (const nlohmann::json::exception& error) {
    DebugLog(file_ + ": " + error.what());
    verdicts_.clear();
    failures_.clear();
  }
}

std::optional<Verdict> VerdictStore::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = verdicts_.find(name);
  return found == verdicts_.end() ? std::nullopt : std::optional(found->second);
}

void VerdictStore::Keep(const std::string& name, const Verdict& verdict) {
  const std::lock_guard lock(mutex_);
  verdicts_[name] = verdict;
  Write();
}

std::optional<CompileFailure> VerdictStore::FindFailure(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(name);
  return found == failures_.end() ? std::nullopt : std::optional(found->second);
}

void VerdictStore::KeepFailure(const std::string& name, const CompileFailure& failure) {
  const std::lock_guard lock(mutex_);
  failures_[name] = failure;
  Write();
}

void VerdictStore::ForgetFailure(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (failures_.erase(name) > 0) Write();
}

void VerdictStore::Write() const {
  if (file_.empty()) return;
  nlohmann::ordered_json verdicts = nlohmann::ordered_json::object();
  for (const auto& [key, value] : verdicts_) verdicts[key] = JsonOf(value);
  nlohmann::ordered_json failures = nlohmann::ordered_json::object();
  for (const auto& [key, value] : failures_) failures[key] = JsonOf(value);
  const nlohmann::ordered_json json = {{"identity", identity_},
                                       {"verdicts", std::move(verdicts)},
                                       {"failures", std::move(failures)}};
  const std::string text =
      json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  Status status = MakeFolders(file_.substr(0, file_.rfind('/')));
  if (status.ok()) status = WriteFileAtomically(file_, text);
  if (!status.ok()) DebugLog("what was found out about a device is not kept: " + status.message());
}

}  // namespace tessera
