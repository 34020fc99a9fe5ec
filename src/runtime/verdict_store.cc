#include "runtime/verdict_store.h"

#include "base/atomic_file.h"
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

}  // namespace

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
  } catch (const nlohmann::json::exception& error) {
    DebugLog(file_ + ": " + error.what());
    verdicts_.clear();
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
  if (file_.empty()) return;
  nlohmann::ordered_json verdicts = nlohmann::ordered_json::object();
  for (const auto& [key, value] : verdicts_) verdicts[key] = JsonOf(value);
  const nlohmann::ordered_json json = {{"identity", identity_}, {"verdicts", std::move(verdicts)}};
  const std::string text =
      json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  Status status = MakeFolders(file_.substr(0, file_.rfind('/')));
  if (status.ok()) status = WriteFileAtomically(file_, text);
  if (!status.ok()) DebugLog("what was found out about a device is not kept: " + status.message());
}

}  // namespace tessera
