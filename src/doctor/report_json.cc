#include <nlohmann/json.hpp>

#include "doctor/report.h"

namespace tessera::doctor {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

Json TotalsJson(const Totals& t) {
  return {{"nodes", t.nodes},
          {"npu_nodes", t.npu_nodes},
          {"gone_nodes", t.gone_nodes},
          {"unsized_nodes", t.unsized_nodes},
          {"supported", t.supported},
          {"partial", t.partial},
          {"unsupported", t.unsupported},
          {"unknown", t.unknown},
          {"flops", t.flops},
          {"npu_flops", t.npu_flops},
          {"weight_bytes", t.weight_bytes},
          {"npu_weight_bytes", t.npu_weight_bytes},
          {"subgraphs", t.subgraphs},
          {"boundary_bytes", t.boundary_bytes},
          {"interface_bytes", t.interface_bytes},
          {"launch_seconds", t.launch_seconds},
          {"transfer_seconds", t.transfer_seconds},
          {"compute_seconds", t.compute_seconds}};
}

Json ConstantJson(const Constant& constant) {
  return {{"value", constant.value}, {"source", constant.source}};
}

Json NodeJson(const NodeReport& node) {
  return {{"name", node.name},
          {"op", node.op},
          {"verdict", VerdictName(node.verdict.verdict)},
          {"evidence", EvidenceTierName(node.verdict.tier)},
          {"rule", node.verdict.rule},
          {"reason", node.verdict.reason},
          {"remedy", node.verdict.remedy},
          {"result", node.result},
          {"flops", node.flops},
          {"weight_bytes", node.weight_bytes},
          {"value_bytes", node.value_bytes},
          {"partition", node.partition}};
}

Json TargetJson(const TargetReport& report) {
  Json json = {{"id", report.target.id},
               {"title", report.target.title},
               {"provider", report.target.provider},
               {"totals", TotalsJson(report.totals)}};
  if (!report.compiler_note.empty()) json["compiler"] = report.compiler_note;
  Json findings = Json::array(), nodes = Json::array(), boundaries = Json::array(),
       help = Json::array();
  for (const ModelFinding& f : report.findings) {
    findings.push_back({{"rule", f.rule},
                        {"severity", SeverityName(f.severity)},
                        {"message", f.message},
                        {"remedy", f.remedy}});
  }
  for (const NodeReport& node : report.nodes) nodes.push_back(NodeJson(node));
  for (const Boundary& b : report.boundaries) {
    boundaries.push_back({{"value", b.value},
                          {"bytes", b.bytes},
                          {"direction", b.to_npu ? "to_npu" : "from_npu"},
                          {"model_interface", b.model_interface}});
  }
  for (const Help& h : report.help) {
    help.push_back({{"rule", h.rule},
                    {"op", h.op},
                    {"reason", h.reason},
                    {"remedy", h.remedy},
                    {"evidence", EvidenceTierName(h.tier)},
                    {"verdict", VerdictName(h.verdict)},
                    {"nodes", h.nodes},
                    {"gained_flops", h.gained_flops},
                    {"subgraphs_before", h.subgraphs_before},
                    {"subgraphs_after", h.subgraphs_after},
                    {"gained_seconds", h.gained_seconds}});
  }
  json["findings"] = std::move(findings);
  json["help"] = std::move(help);
  json["boundaries"] = std::move(boundaries);
  json["nodes"] = std::move(nodes);
  json["constants"] = {
      {"launch_seconds", ConstantJson(report.target.launch_seconds)},
      {"transfer_bytes_per_second", ConstantJson(report.target.transfer_per_second)},
      {"npu_flops", ConstantJson(report.target.npu_flops)},
      {"cpu_flops", ConstantJson(report.target.cpu_flops)}};
  return json;
}

}  // namespace

std::string ReportJson(const DoctorReport& report) {
  Json json = {{"schema", kSchema}, {"version", report.version}};
  Json sources = Json::array(), models = Json::array();
  for (const OpDatabase::Source& s : report.sources) {
    sources.push_back({{"id", s.id}, {"date", s.date}, {"title", s.title}, {"rows", s.rows}});
  }
  for (const ModelReport& model : report.models) {
    Json targets = Json::array();
    for (const TargetReport& target : model.targets) targets.push_back(TargetJson(target));
    models.push_back({{"path", model.path},
                      {"stage", model.stage},
                      {"producer", model.producer},
                      {"opset", model.opset},
                      {"ir_version", model.ir_version},
                      {"file_bytes", model.file_bytes},
                      {"data_bytes", model.data_bytes},
                      {"data_files", model.data_files},
                      {"inputs", model.inputs},
                      {"outputs", model.outputs},
                      {"conflicts", model.conflicts},
                      {"targets", std::move(targets)}});
  }
  json["measured_rows"] = std::move(sources);
  json["models"] = std::move(models);
  json["notes"] = report.notes;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tessera::doctor
