// The texts that a compile worker and its parent exchange.
#include <algorithm>

#include "base/check.h"
#include "formats/json.h"
#include "providers/onnxruntime/compile_worker.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// Raised whenever either text changes: parent and child may be of different builds.
constexpr int kFormat = 1;

Json PairsToJson(const OrtOptions& options) {
  Json list = Json::array();
  for (const auto& [key, value] : options) list.push_back(Json::array({key, value}));
  return list;
}

// Readers of one field each; the first that does not fit is kept as the error.
class Fields {
 public:
  explicit Fields(const Json& object, const char* what) : object_(object), what_(what) {
    if (!object.is_object()) Fail("an object");
  }
  std::string Text(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_string()) return Fail(key), "";
    return value->get<std::string>();
  }
  int64_t Int(const char* key, int64_t low, int64_t high) {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_number_integer()) return Fail(key), low;
    const int64_t number = value->get<int64_t>();
    if (number < low || number > high) Fail(key);
    return std::clamp(number, low, high);
  }
  double Number(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_number()) return Fail(key), 0;
    return value->get<double>();
  }
  const Json& Array(const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = Find(key);
    if (value == nullptr || !value->is_array()) return Fail(key), kEmpty;
    return *value;
  }
  OrtOptions Pairs(const char* key) {
    OrtOptions options;
    for (const Json& pair : Array(key)) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
        return Fail(key), options;
      }
      options.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
    }
    return options;
  }
  const Status& status() const { return status_; }

 private:
  const Json* Find(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found != object_.end() ? &*found : nullptr;
  }
  void Fail(const std::string& key) {
    if (status_.ok()) status_ = DataLoss(std::string(what_) + ": " + key + " is missing or wrong");
  }

  const Json& object_;
  const char* what_;
  Status status_;
};

}  // namespace

std::string CompileJobToJson(const CompileJob& job) {
  return Json{{"format", kFormat},
              {"library", job.library},
              {"ep", job.spec.ep},
              {"ep_library", job.spec.ep_library},
              {"virtual_devices", job.spec.virtual_devices ? 1 : 0},
              {"device", job.spec.device},
              {"provider_options", PairsToJson(job.spec.provider_options)},
              {"session_options", PairsToJson(job.spec.session_options)},
              {"threads", job.spec.threads},
              {"model", job.model},
              {"context", job.context},
              {"trace_folder", job.trace_folder}}
      .dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<CompileJob> ParseCompileJob(const std::string& text) {
  TESSERA_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  Fields fields(json, "compile job");
  CompileJob job;
  fields.Int("format", kFormat, kFormat);
  job.library = fields.Text("library");
  job.spec.ep = fields.Text("ep");
  job.spec.ep_library = fields.Text("ep_library");
  job.spec.virtual_devices = fields.Int("virtual_devices", 0, 1) == 1;
  job.spec.device = static_cast<int>(fields.Int("device", 0, 1000));
  job.spec.provider_options = fields.Pairs("provider_options");
  job.spec.session_options = fields.Pairs("session_options");
  job.spec.threads = static_cast<int>(fields.Int("threads", 0, 4096));
  job.model = fields.Text("model");
  job.context = fields.Text("context");
  job.trace_folder = fields.Text("trace_folder");
  TESSERA_RETURN_IF_ERROR(fields.status());
  return job;
}

std::string CompileOutcomeToJson(const CompileOutcome& outcome) {
  Json nodes = Json::array();
  for (const NodePlacement& node : outcome.placement.nodes) {
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"provider", node.provider},
                     {"reason", node.reason}});
  }
  Json refused = Json::array();
  for (const RefusedNode& node : outcome.refused) {
    refused.push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}});
  }
  return Json{{"format", kFormat},
              {"code", static_cast<int>(outcome.status.code())},
              {"message", outcome.status.message()},
              {"subgraphs", outcome.placement.subgraphs},
              {"compile_seconds", outcome.placement.compile_seconds},
              {"nodes", std::move(nodes)},
              {"refused", std::move(refused)},
              {"compatibility", outcome.compatibility}}
      .dump(1, ' ', false, Json::error_handler_t::replace);
}

Result<CompileOutcome> ParseCompileOutcome(const std::string& text) {
  TESSERA_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  Fields fields(json, "compile answer");
  CompileOutcome outcome;
  fields.Int("format", kFormat, kFormat);
  const int64_t code = fields.Int("code", 0, static_cast<int64_t>(StatusCode::kInternal));
  const std::string message = fields.Text("message");
  if (code != 0) outcome.status = Status(static_cast<StatusCode>(code), message);
  outcome.placement.subgraphs = fields.Int("subgraphs", 0, int64_t{1} << 40);
  outcome.placement.compile_seconds = fields.Number("compile_seconds");
  outcome.compatibility = fields.Text("compatibility");
  for (const Json& entry : fields.Array("nodes")) {
    Fields node(entry, "compile answer's node");
    NodePlacement placed;
    placed.name = node.Text("name");
    placed.op = node.Text("op");
    placed.provider = node.Text("provider");
    placed.reason = node.Text("reason");
    TESSERA_RETURN_IF_ERROR(node.status());
    outcome.placement.nodes.push_back(std::move(placed));
  }
  for (const Json& entry : fields.Array("refused")) {
    Fields node(entry, "compile answer's refused node");
    RefusedNode refused{node.Text("name"), node.Text("op"), node.Text("reason")};
    TESSERA_RETURN_IF_ERROR(node.status());
    outcome.refused.push_back(std::move(refused));
  }
  TESSERA_RETURN_IF_ERROR(fields.status());
  return outcome;
}

}  // namespace tessera
