// Subgraphs, what crosses between them, and what would make fewer of them.
#include <algorithm>
#include <map>
#include <tuple>

#include "doctor/analysis.h"

namespace tessera::doctor {
namespace {

constexpr size_t kMaxHelp = 40;

bool OnNpu(const NodeReport& node) { return node.verdict.verdict == Verdict::kSupported; }

// Nodes of one number can be compiled together: between any two of them there is no way through
// the CPU. The number of a node is how often the way to it has left the NPU. That is how ONNX
// Runtime's partitioner groups, which takes all that is ready before it goes on.
std::vector<int> Levels(const std::vector<NodeReport>& nodes, const std::vector<bool>& npu) {
  std::vector<int> level(nodes.size(), 0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const int p : nodes[i].producers) {
      const auto producer = static_cast<size_t>(p);
      const int cut = npu[producer] && !npu[i] ? 1 : 0;
      level[i] = std::max(level[i], level[producer] + cut);
    }
  }
  return level;
}

int64_t CountSubgraphs(const std::vector<NodeReport>& nodes, const std::vector<bool>& npu,
                       std::vector<int>* partition) {
  const std::vector<int> level = Levels(nodes, npu);
  std::map<int, int> number;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (npu[i] && nodes[i].partition != -2) number.emplace(level[i], 0);
  }
  int next = 0;
  for (auto& [key, value] : number) value = next++;
  if (partition != nullptr) {
    partition->assign(nodes.size(), -1);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (npu[i] && nodes[i].partition != -2) (*partition)[i] = number[level[i]];
    }
  }
  return next;
}

double CrossingBytes(const Wiring& wiring, const std::vector<int>& part, bool count_interface) {
  double bytes = 0;
  for (const Wiring::Value& value : wiring.values) {
    const int from = value.producer < 0 ? -1 : part[static_cast<size_t>(value.producer)];
    if (value.producer < 0 || from == -2) {
      if (!count_interface) continue;
    }
    bool leaves = false, enters = false;
    std::vector<int> entered;
    for (const int c : value.consumers) {
      const int to = part[static_cast<size_t>(c)];
      if (to == -2 || to == from) continue;
      leaves = leaves || from >= 0;
      if (to >= 0 && std::find(entered.begin(), entered.end(), to) == entered.end()) {
        entered.push_back(to);
        enters = true;
      }
    }
    if (leaves) bytes += value.bytes;
    if (enters) bytes += value.bytes * static_cast<double>(entered.size());
  }
  return bytes;
}

// Rough time of a split: launches, copies, and products at each side's rate.
double EstimateSeconds(const TargetReport& report, const Wiring& wiring,
                       const std::vector<bool>& npu) {
  std::vector<int> part;
  const int64_t subgraphs = CountSubgraphs(report.nodes, npu, &part);
  for (size_t i = 0; i < part.size(); ++i) {
    if (report.nodes[i].partition == -2) part[i] = -2;
  }
  double npu_flops = 0, cpu_flops = 0;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] >= 0) npu_flops += report.nodes[i].flops;
    if (part[i] == -1) cpu_flops += report.nodes[i].flops;
  }
  const Target& t = report.target;
  return static_cast<double>(subgraphs) * t.launch_seconds.value +
         CrossingBytes(wiring, part, false) / t.transfer_per_second.value +
         npu_flops / t.npu_flops.value + cpu_flops / t.cpu_flops.value;
}

void AddBoundaries(const Wiring& wiring, TargetReport& report) {
  report.boundaries.clear();
  for (const Wiring::Value& value : wiring.values) {
    const int from =
        value.producer < 0 ? -1 : report.nodes[static_cast<size_t>(value.producer)].partition;
    if (from == -2) continue;
    bool enters = false, leaves = false;
    for (const int c : value.consumers) {
      const int to = report.nodes[static_cast<size_t>(c)].partition;
      if (to == -2 || to == from) continue;
      enters = enters || to >= 0;
      leaves = leaves || from >= 0;
    }
    const bool is_input = value.producer < 0;
    if (enters && (is_input || from < 0 || from >= 0))
      report.boundaries.push_back({value.name, value.bytes, true, is_input});
    const bool is_output = value.model_output && from >= 0;
    if (leaves || is_output)
      report.boundaries.push_back({value.name, value.bytes, false, is_output && !leaves});
  }
}

void AddHelp(const Wiring& wiring, TargetReport& report) {
  report.help.clear();
  std::vector<bool> npu;
  npu.reserve(report.nodes.size());
  for (const NodeReport& node : report.nodes) npu.push_back(OnNpu(node));
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, Help> groups;
  for (size_t i = 0; i < report.nodes.size(); ++i) {
    const NodeReport& node = report.nodes[i];
    if (npu[i]) continue;
    // One cause may have as many texts as there are shapes; the remedy tells causes apart.
    const std::string cause =
        node.verdict.remedy.empty() ? node.verdict.reason : node.verdict.remedy;
    const bool general = node.verdict.rule.starts_with("R1") || node.verdict.rule.starts_with("V1");
    Help& help = groups[Key(node.verdict.rule, general ? std::string() : node.op, cause)];
    if (help.nodes.empty()) {
      help.rule = node.verdict.rule;
      help.op = general ? std::string() : node.op;
      help.reason = node.verdict.reason;
      help.remedy = node.verdict.remedy;
      help.tier = node.verdict.tier;
      help.verdict = node.verdict.verdict;
    }
    help.nodes.push_back(static_cast<int>(i));
    help.gained_flops += node.flops;
  }
  std::vector<Help> all;
  all.reserve(groups.size());
  for (auto& [key, help] : groups) all.push_back(std::move(help));
  std::sort(all.begin(), all.end(), [](const Help& a, const Help& b) {
    return std::tie(a.gained_flops, b.nodes[0]) > std::tie(b.gained_flops, a.nodes[0]);
  });
  if (all.size() > kMaxHelp) all.resize(kMaxHelp);
  const double before = EstimateSeconds(report, wiring, npu);
  for (Help& help : all) {
    for (const int i : help.nodes) npu[static_cast<size_t>(i)] = true;
    help.subgraphs_before = report.totals.subgraphs;
    help.subgraphs_after = CountSubgraphs(report.nodes, npu, nullptr);
    help.gained_seconds = before - EstimateSeconds(report, wiring, npu);
    for (const int i : help.nodes) npu[static_cast<size_t>(i)] = false;
  }
  std::sort(all.begin(), all.end(), [](const Help& a, const Help& b) {
    return std::tie(a.gained_seconds, b.nodes[0]) > std::tie(b.gained_seconds, a.nodes[0]);
  });
  report.help = std::move(all);
}

}  // namespace

void Summarize(const Wiring& wiring, TargetReport& report) {
  std::vector<bool> npu;
  for (NodeReport& node : report.nodes) {
    const bool gone = node.verdict.rule.starts_with("R0.") && OnNpu(node);
    node.partition = gone ? -2 : -1;
    npu.push_back(OnNpu(node));
  }
  Totals& t = report.totals;
  t = {};
  std::vector<int> part;
  t.subgraphs = CountSubgraphs(report.nodes, npu, &part);
  for (size_t i = 0; i < report.nodes.size(); ++i) {
    NodeReport& node = report.nodes[i];
    switch (node.verdict.verdict) {
      case Verdict::kSupported:
        ++t.supported;
        break;
      case Verdict::kPartial:
        ++t.partial;
        break;
      case Verdict::kUnsupported:
        ++t.unsupported;
        break;
      case Verdict::kUnknown:
        ++t.unknown;
        break;
    }
    if (node.partition == -2) {
      ++t.gone_nodes;
      continue;
    }
    node.partition = part[i];
    ++t.nodes;
    t.unsized_nodes += node.sized ? 0 : 1;
    t.flops += node.flops;
    t.weight_bytes += node.weight_bytes;
    if (node.partition < 0) continue;
    ++t.npu_nodes;
    t.npu_flops += node.flops;
    t.npu_weight_bytes += node.weight_bytes;
  }
  AddBoundaries(wiring, report);
  for (const Boundary& b : report.boundaries)
    (b.model_interface ? t.interface_bytes : t.boundary_bytes) += b.bytes;
  const Target& target = report.target;
  t.launch_seconds = static_cast<double>(t.subgraphs) * target.launch_seconds.value;
  t.transfer_seconds = (t.boundary_bytes + t.interface_bytes) / target.transfer_per_second.value;
  t.compute_seconds =
      t.npu_flops / target.npu_flops.value + (t.flops - t.npu_flops) / target.cpu_flops.value;
  AddHelp(wiring, report);
  std::erase_if(report.findings, [](const ModelFinding& f) { return f.rule.starts_with("R6."); });
  // Without sizes the nodes have to stand for the work.
  const bool by_work = t.flops > 0 && t.unsized_nodes == 0;
  const double share = by_work ? t.npu_flops / t.flops
                       : t.nodes > 0
                           ? static_cast<double>(t.npu_nodes) / static_cast<double>(t.nodes)
                           : 1;
  if (t.subgraphs > 1) {
    report.findings.push_back({"R6.subgraphs", Severity::kWarning,
                               "the NPU gets " + std::to_string(t.subgraphs) +
                                   " parts, between which tensors go through the CPU",
                               "see what would help"});
  }
  if (share < 0.95) {
    report.findings.push_back(
        {"R6.coverage", Severity::kWarning,
         std::string("less than 95 % of the ") + (by_work ? "work" : "nodes") + " is on the NPU",
         "see what would help"});
  }
}

}  // namespace tessera::doctor
