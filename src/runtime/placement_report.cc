#include "runtime/placement_report.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownNodes = 8;  // of those that are elsewhere

double Percent(double share) { return share * 100; }

// "100", "99.6": never 100 for less than all.
std::string PercentText(double share) {
  if (share >= 1) return "100";
  char text[16];
  std::snprintf(text, sizeof(text), "%.1f", std::min(Percent(share), 99.9));
  return text;
}

// "encoder" of "whisper.encoder".
std::string ShortName(const std::string& stage) {
  const size_t dot = stage.rfind('.');
  return dot == std::string::npos ? stage : stage.substr(dot + 1);
}

std::string DeviceText(const StagePlacement& p) {
  if (p.emulated) return "emulated, no NPU";
  switch (p.device) {
    case DeviceKind::kNpu:
      return "NPU";
    case DeviceKind::kGpu:
      return "GPU";
    case DeviceKind::kCpu:
      break;
  }
  return "CPU";
}

// Stages of one provider beside each other, as they are told in a line.
std::string StagesText(const std::vector<const StageReport*>& stages, size_t all) {
  const StagePlacement& first = stages.front()->placement;
  std::string text;
  if (stages.size() == all && all > 1) {
    text = "all " + std::to_string(all) + " stages";
  } else {
    for (const StageReport* stage : stages)
      text += (text.empty() ? "" : ", ") + ShortName(stage->placement.stage);
  }
  text += " on " + first.provider;
  if (first.provider == "cpu") return text;
  int64_t nodes = 0, on_device = 0;
  double least = 1;
  for (const StageReport* stage : stages) {
    nodes += static_cast<int64_t>(stage->placement.nodes.size());
    on_device += stage->nodes_on_device;
    least = std::min(least, stage->flops_on_device);
  }
  return text + " (" + DeviceText(first) + ", " + std::to_string(on_device) + "/" +
         std::to_string(nodes) + " nodes, " + PercentText(least) + " % of FLOPs)";
}

// Names with their numbers left out, and how many there are of each kind: "layers.#.key (6), rows".
std::string Folded(const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::vector<std::string>>> kinds;
  for (const std::string& name : names) {
    std::string kind;
    for (const char c : name) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit || !kind.ends_with('#')) kind += digit ? '#' : c;
    }
    auto known = std::ranges::find(kinds, kind, [](const auto& entry) { return entry.first; });
    if (known == kinds.end()) known = kinds.insert(known, {kind, {}});
    known->second.push_back(name);
  }
  std::string text;
  for (size_t i = 0; i < kinds.size(); ++i) {
    text += i == 0 ? "" : ", ";
    if (i == kShownNodes) {
      text += "...";
      break;
    }
    const auto& [kind, members] = kinds[i];
    text += members.size() == 1 ? members[0] : kind + " (" + std::to_string(members.size()) + ")";
  }
  return text;
}

// Runs of nodes on the device: nodes belong together when no way between them leaves it. The number
// of a node is how often the way to it has left. What is in neither set passes the way on.
int64_t CountParts(const Graph& graph, const std::map<std::string, bool>& on_device) {
  const auto find = [&](const Node& node) { return on_device.find(node.name); };
  std::map<ValueId, std::pair<int64_t, bool>> ways;  // number, and whether it is on the device
  std::set<int64_t> parts;
  for (const Node& node : graph.nodes()) {
    const auto found = find(node);
    const bool known = found != on_device.end(), there = known && found->second;
    int64_t number = 0;
    bool inputs_there = false;
    for (const ValueId id : node.inputs) {
      const auto way = ways.find(id);
      if (way == ways.end()) continue;
      const bool leaves = known && !there && way->second.second;
      number = std::max(number, way->second.first + (leaves ? 1 : 0));
      inputs_there |= way->second.second;
    }
    if (there) parts.insert(number);
    for (const ValueId id : node.outputs) ways[id] = {number, known ? there : inputs_there};
  }
  return static_cast<int64_t>(parts.size());
}

Json StageJson(const StageReport& s) {
  const StagePlacement& p = s.placement;
  Json json = {
      {"stage", p.stage},
      {"provider", p.provider},
      {"provider_version", p.provider_version},
      {"device",
       {{"kind", DeviceKindName(p.device)}, {"name", p.device_name}, {"emulated", p.emulated}}},
      {"nodes", p.nodes.size()},
      {"nodes_on_device", s.nodes_on_device},
      {"host_nodes", p.host_nodes},
      {"flops_percent", Percent(s.flops_on_device)},
      {"weight_bytes_percent", Percent(s.weights_on_device)},
      {"subgraphs", s.subgraphs},
      {"evidence", EvidenceTierName(s.evidence)},
      {"compile_seconds", p.compile_seconds},
      {"from_cache", p.from_cache}};
  if (!p.precision.empty()) json["precision"] = p.precision;
  if (s.checks) {
    json["checks"] = {{"accurate", s.checks->accurate},
                      {"cosine", s.checks->cosine},
                      {"relative_error", s.checks->relative_error}};
    if (s.checks->cpu_seconds > 0) {
      json["checks"]["device_seconds"] = s.checks->device_seconds;
      json["checks"]["cpu_seconds"] = s.checks->cpu_seconds;
    }
  }
  json["elsewhere"] = Json::array();
  for (const NodePlacement& node : p.nodes) {
    if (node.device == p.device && node.reason.empty()) continue;
    json["elsewhere"].push_back({{"node", node.name},
                                 {"op", node.op},
                                 {"provider", node.provider},
                                 {"reason", node.reason},
                                 {"evidence", EvidenceTierName(node.evidence)}});
  }
  return json;
}

}  // namespace

StageReport MakeStageReport(const Graph& graph, const DimBindings& sizes,
                            StagePlacement placement) {
  StageReport report;
  std::map<std::string, bool> on_device;  // by the graph's node
  for (const NodePlacement& node : placement.nodes) {
    const bool there = node.device == placement.device && node.reason.empty();
    report.nodes_on_device += there ? 1 : 0;
    report.evidence = std::max(report.evidence, node.evidence);
    const size_t slash = node.name.rfind('/');
    const auto [at, added] = on_device.emplace(node.name.substr(0, slash), there);
    at->second &= there;
  }
  // A library that looks for a kernel for each node has parts of single nodes in its record, which
  // it runs one after the other all the same.
  const bool by_node = placement.subgraphs == report.nodes_on_device;
  const int64_t counted = by_node ? CountParts(graph, on_device) : 0;
  report.subgraphs = counted > 0 ? counted : placement.subgraphs;
  for (const std::string& node : placement.host_nodes) on_device.emplace(node, false);
  double flops = 0, there_flops = 0, bytes = 0, there_bytes = 0;
  // A table that is looked up on the host and multiplied with on the device is on the device.
  std::map<ValueId, bool> weights;
  for (const Node& node : graph.nodes()) {
    // What a compiler has folded away runs nowhere.
    const auto found = on_device.find(node.name);
    if (found == on_device.end()) continue;
    const Result<double> cost = NodeFlops(graph, node, sizes);
    flops += cost.ok() ? *cost : 0;
    if (found->second) there_flops += cost.ok() ? *cost : 0;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || graph.value(id).kind != ValueKind::kConstant) continue;
      const auto [at, added] = weights.emplace(id, found->second);
      at->second |= found->second;
    }
  }
  for (const auto& [id, there] : weights) {
    const auto size = static_cast<double>(graph.value(id).data.bytes());
    bytes += size;
    if (there) there_bytes += size;
  }
  // A record without our nodes' names tells by its count alone.
  const double by_count = placement.nodes.empty() ? 0
                                                  : static_cast<double>(report.nodes_on_device) /
                                                        static_cast<double>(placement.nodes.size());
  report.flops_on_device = flops > 0 ? there_flops / flops : by_count;
  report.weights_on_device = bytes > 0 ? there_bytes / bytes : by_count;
  report.placement = std::move(placement);
  return report;
}

std::string PlacementReport::chosen() const {
  std::vector<std::string> names;
  for (const StageReport& stage : stages) {
    if (std::ranges::find(names, stage.placement.provider) == names.end())
      names.push_back(stage.placement.provider);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "+") + name;
  return text;
}

bool PlacementReport::all_on_npu() const {
  return !stages.empty() && std::ranges::all_of(stages, [](const StageReport& s) {
    return s.placement.device == DeviceKind::kNpu && !s.placement.emulated &&
           s.nodes_on_device == static_cast<int64_t>(s.placement.nodes.size());
  });
}

std::string PlacementLine(const PlacementReport& report) {
  std::string line;
  std::vector<const StageReport*> same;
  for (size_t i = 0; i < report.stages.size(); ++i) {
    same.push_back(&report.stages[i]);
    if (i + 1 < report.stages.size() &&
        report.stages[i + 1].placement.provider == report.stages[i].placement.provider)
      continue;
    line += (line.empty() ? "" : "; ") + StagesText(same, report.stages.size());
    same.clear();
  }
  if (line.empty()) line = "nothing is loaded";
  // The last hop of each provider says why it is not there now.
  std::string reasons;
  for (size_t i = 0; i < report.hops.size(); ++i) {
    const Hop& hop = report.hops[i];
    if (hop.stage.empty() && hop.at == HopStage::kDetect && report.hops.size() > 1) continue;
    std::string one = hop.message.substr(0, hop.message.find('\n'));
    if (hop.at != HopStage::kSpeed && !hop.provider.empty())
      one = hop.provider + " failed at " + HopStageName(hop.at) + ": " + one;
    if (!hop.stage.empty()) one = ShortName(hop.stage) + ": " + one;
    reasons += (reasons.empty() ? "" : "; ") + one;
  }
  return reasons.empty() ? line : line + " (" + reasons + ")";
}

std::string PlacementText(const PlacementReport& report) {
  std::string text = "requested: " + report.requested + "\n";
  for (const StageReport& s : report.stages) {
    const StagePlacement& p = s.placement;
    char line[320];
    std::snprintf(line, sizeof(line),
                  "%-18s %s %s on %s (%s): %lld of %zu nodes, %s %% of FLOPs, %s %% of weights, "
                  "%lld %s, by %s\n",
                  p.stage.c_str(), p.provider.c_str(), p.provider_version.c_str(),
                  p.device_name.empty() ? "this machine" : p.device_name.c_str(),
                  DeviceText(p).c_str(), static_cast<long long>(s.nodes_on_device), p.nodes.size(),
                  PercentText(s.flops_on_device).c_str(), PercentText(s.weights_on_device).c_str(),
                  static_cast<long long>(s.subgraphs), s.subgraphs == 1 ? "subgraph" : "subgraphs",
                  EvidenceTierName(s.evidence));
    text += line;
    if (!p.host_nodes.empty()) {
      text += "  on the host around each run: " + std::to_string(p.host_nodes.size()) +
              (p.host_nodes.size() == 1 ? " node" : " nodes") +
              " (rows that are looked up or stored): " + Folded(p.host_nodes) + "\n";
    }
    if (s.checks && s.checks->accurate) {
      std::snprintf(line, sizeof(line), "  checked against the CPU in f32: cosine %.6f\n",
                    s.checks->cosine);
      text += line;
    }
    size_t shown = 0, left_out = 0;
    for (const NodePlacement& node : p.nodes) {
      if (node.device == p.device && node.reason.empty()) continue;
      if (++shown > kShownNodes) {
        ++left_out;
        continue;
      }
      text += "  " + node.name + " (" + node.op + ") on " + node.provider + ": " + node.reason +
              " [" + EvidenceTierName(node.evidence) + "]\n";
    }
    if (left_out > 0) text += "  and " + std::to_string(left_out) + " more nodes\n";
  }
  for (const Hop& hop : report.hops) text += "hop: " + HopText(hop) + "\n";
  return text;
}

std::string PlacementJson(const PlacementReport& report) {
  Json json = {{"requested", report.requested},
               {"chosen", report.chosen()},
               {"all_on_npu", report.all_on_npu()},
               {"stages", Json::array()},
               {"hops", Json::array()}};
  for (const StageReport& stage : report.stages) json["stages"].push_back(StageJson(stage));
  for (const Hop& hop : report.hops) {
    json["hops"].push_back({{"provider", hop.provider},
                            {"model_stage", hop.stage},
                            {"stage", HopStageName(hop.at)},
                            {"code", StatusCodeName(hop.code)},
                            {"vendor_message", hop.message},
                            {"hint", hop.hint}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tessera
