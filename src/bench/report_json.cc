// The report as JSON. docs/bench.md lists the keys; tests/e2e/bench_e2e.py holds them.
#include <nlohmann/json.hpp>

#include "bench/report.h"

namespace tessera::bench {
namespace {

using Json = nlohmann::ordered_json;

Json SampledJson(const Sampled& s) {
  if (s.samples == 0) return nullptr;
  return {{"best", s.best}, {"median", s.median}, {"samples", s.samples}};
}

Json OperationsJson(const std::array<double, 3>& operations) {
  Json json;
  for (const Precision p : kPrecisions)
    json[std::string(kernels::PrecisionName(p))] = operations[static_cast<size_t>(p)];
  return json;
}

// Without limits there is no share.
void AddWork(const Work& w, Json& json) {
  json["operations"] = OperationsJson(w.operations);
  json["bytes"] = w.bytes;
  json["operations_per_byte"] = w.bytes > 0 ? Json(w.Operations() / w.bytes) : Json();
  json["operations_per_s"] = w.seconds > 0 ? Json(w.Operations() / w.seconds) : Json();
  const bool known = w.ideal_seconds > 0;
  json["ideal_s"] = known ? Json(w.ideal_seconds) : Json();
  json["compute_s"] = known ? Json(w.compute_seconds) : Json();
  json["memory_s"] = known ? Json(w.memory_seconds) : Json();
  json["bound_by"] = known ? Json(w.memory_bound() ? "memory" : "compute") : Json();
  json["share_of_limit"] = known && w.seconds > 0 ? Json(w.Share()) : Json();
}

Json StageJson(const Stage& stage) {
  Json json{{"id", stage.id}, {"title", stage.title}, {"seconds", SampledJson(stage.seconds)}};
  json["audio_s"] = stage.audio_seconds > 0 ? Json(stage.audio_seconds) : Json();
  json["rows"] = stage.rows > 0 ? Json(stage.rows) : Json();
  json["x_real_time"] =
      stage.audio_seconds > 0 ? Json(stage.audio_seconds / stage.seconds.best) : Json();
  json["tokens_per_s"] = stage.rows > 0 ? Json(stage.rows / stage.seconds.best) : Json();
  AddWork(stage.total, json);
  json["steps"] = Json::array();
  for (const StepKind& kind : stage.steps) {
    Json step{{"kind", kind.name}, {"times", kind.steps}, {"seconds", kind.work.seconds}};
    AddWork(kind.work, step);
    json["steps"].push_back(std::move(step));
  }
  return json;
}

}  // namespace

std::string ReportJson(const Report& report) {
  const Limits& l = report.limits;
  Json json{{"schema", "tessera-bench/1"},
            {"version", report.version},
            {"interrupted", report.interrupted},
            {"machine",
             {{"cpu", report.machine.cpu},
              {"isa", report.machine.isa},
              {"threads", report.machine.threads},
              {"last_level_cache_bytes", report.machine.llc_bytes}}},
            {"limits",
             {{"f32_operations_per_s", SampledJson(l.operations[0])},
              {"bf16_operations_per_s", SampledJson(l.operations[1])},
              {"int8_operations_per_s", SampledJson(l.operations[2])},
              {"read_bytes_per_s", SampledJson(l.read)},
              {"read_buffer_bytes", l.read_buffer_bytes},
              {"cache_read_bytes_per_s", SampledJson(l.cache_read)},
              {"barrier_s", SampledJson(l.barrier)}}}};
  json["rates"] = Json::array();
  for (const AudioRate& rate : report.rates) {
    json["rates"].push_back({{"name", rate.name},
                             {"threads", rate.threads},
                             {"audio_s", rate.audio_seconds},
                             {"seconds", SampledJson(rate.seconds)},
                             {"x_real_time", rate.XRealTime()}});
  }
  json["audio_file"] = report.audio_file.empty() ? Json() : Json(report.audio_file);
  json["models"] = Json::array();
  for (const ModelReport& model : report.models) {
    Json item{{"name", model.name}, {"precision", kernels::PrecisionName(model.precision)}};
    item["stages"] = Json::array();
    for (const Stage& stage : model.stages) item["stages"].push_back(StageJson(stage));
    item["load_s"] = model.load_seconds > 0 ? Json(model.load_seconds) : Json();
    item["end_to_end"] = Json::array();
    for (const EndToEnd& e : model.end_to_end) {
      item["end_to_end"].push_back({{"mode", e.mode},
                                    {"audio_s", e.audio_seconds},
                                    {"work_s", e.work_seconds},
                                    {"x_real_time", e.audio_seconds / e.work_seconds}});
    }
    json["models"].push_back(std::move(item));
  }
  json["devices"] = Json::array();
  for (const DeviceReport& device : report.devices) {
    Json item{{"device", device.device},
              {"model", report.devices_model},
              {"placement", device.placement},
              {"error", device.error.empty() ? Json() : Json(device.error)},
              {"stages", Json::array()}};
    for (const DeviceStage& stage : device.stages) {
      item["stages"].push_back({{"id", stage.id},
                                {"seconds", SampledJson(stage.seconds)},
                                {"cosine", stage.cosine},
                                {"relative_error", stage.relative_error}});
    }
    json["devices"].push_back(std::move(item));
  }
  json["notes"] = report.notes;
  // Names may hold bytes that are no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tessera::bench
