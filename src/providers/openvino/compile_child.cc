#include "providers/openvino/compile_child.h"

#include "base/check.h"
#include "formats/json.h"
#include "providers/worker_process.h"

namespace tessera::openvino {
namespace {

using Json = nlohmann::json;

constexpr char kJobKey[] = "openvino_job", kAnswerKey[] = "openvino_answer";
// Raised whenever either text changes: parent and child may be of different builds.
constexpr int kFormat = 1;

std::string Dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

bool HasFormat(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key] == kFormat;
}

// False when there is no such text.
bool Take(const Json& json, const char* key, std::string& out) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool Take(const Json& json, const char* key, int low, int high, int& out) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return false;
  const int64_t number = found->get<int64_t>();
  out = static_cast<int>(number);
  return number >= low && number <= high;
}

Status Compile(const ChildJob& job) {
  OpenVinoOptions options = job.options;
  options.in_process = true;
  TESSERA_ASSIGN_OR_RETURN(const auto backend, OpenOpenVinoBackend(job.device, options));
  return backend
      ->Compile(job.model, {.stage = job.stage, .cache_folder = job.cache_folder},
                std::stop_token())
      .status();
}

}  // namespace

std::string ChildJobToJson(const ChildJob& job) {
  return Dump(Json{{kJobKey, kFormat},
                   {"device", job.device},
                   {"library", job.options.library},
                   {"precision", job.options.precision},
                   {"threads", job.options.threads},
                   {"model", job.model},
                   {"stage", job.stage},
                   {"cache_folder", job.cache_folder}});
}

Result<ChildJob> ParseChildJob(const std::string& text) {
  TESSERA_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  ChildJob job;
  const bool whole = HasFormat(json, kJobKey) && Take(json, "device", job.device) &&
                     Take(json, "library", job.options.library) &&
                     Take(json, "precision", job.options.precision) &&
                     Take(json, "threads", 0, 4096, job.options.threads) &&
                     Take(json, "model", job.model) && Take(json, "stage", job.stage) &&
                     Take(json, "cache_folder", job.cache_folder);
  if (!whole) return DataLoss("not a job of this version for OpenVINO");
  return job;
}

std::string ChildAnswerToJson(const Status& status) {
  return Dump(Json{{kAnswerKey, kFormat},
                   {"code", static_cast<int>(status.code())},
                   {"message", status.message()}});
}

Status ParseChildAnswer(const std::string& text) {
  const Result<Json> json = ParseJson(text);
  int code = 0;
  std::string message;
  if (!json.ok() || !HasFormat(*json, kAnswerKey) ||
      !Take(*json, "code", 0, static_cast<int>(StatusCode::kInternal), code) ||
      !Take(*json, "message", message)) {
    return Internal("the compiler's process answered nonsense");
  }
  return Status(static_cast<StatusCode>(code), std::move(message));
}

Status CompileInChild(const ChildJob& job, const std::string& worker,
                      std::chrono::seconds time_limit, std::stop_token stop, bool* not_a_worker) {
  const WorkerReply reply = AskWorker(ChildJobToJson(job), worker, time_limit, std::move(stop));
  *not_a_worker = reply.not_a_worker;
  if (!reply.status.ok()) return reply.status;
  return ParseChildAnswer(reply.answer);
}

bool IsChildJob(const std::string& job) {
  const Result<Json> json = ParseJson(job);
  return json.ok() && json->is_object() && json->contains(kJobKey);
}

Status ServeChildJob(const std::string& job_file) {
  TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadJob(job_file));
  TESSERA_ASSIGN_OR_RETURN(const ChildJob job, ParseChildJob(text));
  return WriteAnswer(job_file, ChildAnswerToJson(Compile(job)));
}

}  // namespace tessera::openvino
