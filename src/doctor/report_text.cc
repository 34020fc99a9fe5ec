#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <tuple>

#include "doctor/report.h"

namespace tessera::doctor {
namespace {

std::string Format(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

std::string Scaled(double value, const char* unit, double step) {
  static const char* const kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t i = 0;
  while (value >= step && i + 1 < std::size(kPrefixes)) {
    value /= 1000;
    ++i;
  }
  return Format(value < 10 && i > 0 ? "%.1f " : "%.0f ", value) + kPrefixes[i] + unit;
}

std::string Plural(int64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

void AddFindings(const TargetReport& report, std::string& text) {
  for (const ModelFinding& finding : report.findings) {
    text += "  " + std::string(SeverityName(finding.severity)) + "  " + finding.rule + ": " +
            finding.message + "\n";
    if (!finding.remedy.empty()) text += "         remedy: " + finding.remedy + "\n";
  }
}

void AddTotals(const TargetReport& report, std::string& text) {
  const Totals& t = report.totals;
  text += "  nodes     " + std::to_string(t.npu_nodes) + " of " + std::to_string(t.nodes) +
          " on the NPU (" +
          PercentText(static_cast<double>(t.npu_nodes), static_cast<double>(t.nodes)) + "), " +
          std::to_string(t.gone_nodes) + " more are gone before anything runs\n";
  text += "  verdicts  " + std::to_string(t.supported) + " supported, " +
          std::to_string(t.partial) + " partial, " + std::to_string(t.unsupported) +
          " unsupported, " + std::to_string(t.unknown) + " unknown\n";
  text += "  work      " + FlopsText(t.npu_flops) + " of " + FlopsText(t.flops) + " on the NPU (" +
          PercentText(t.npu_flops, t.flops) + "), weights " + BytesText(t.npu_weight_bytes) +
          " of " + BytesText(t.weight_bytes) + "\n";
  if (t.unsized_nodes > 0)
    text += "            without " + Plural(t.unsized_nodes, "node", "nodes") + " of open size\n";
  text += "  split     " + Plural(t.subgraphs, "subgraph", "subgraphs") + "; " +
          BytesText(t.boundary_bytes) + " cross because of it, " + BytesText(t.interface_bytes) +
          " in and out of the model\n";
  text += "  estimate  launch " + SecondsText(t.launch_seconds) + " + transfer " +
          SecondsText(t.transfer_seconds) + " + compute " + SecondsText(t.compute_seconds) +
          " (rough; not measured)\n";
}

// Nodes of one operator with one verdict by one rule, as one line.
void AddNodes(const TargetReport& report, bool all, std::string& text) {
  struct Group {
    const NodeReport* first;
    std::vector<const std::string*> names;
  };
  using Key = std::tuple<Verdict, EvidenceTier, std::string, std::string>;
  std::map<Key, size_t> index;
  std::vector<Group> groups;
  for (const NodeReport& node : report.nodes) {
    if (!all && node.verdict.verdict == Verdict::kSupported) continue;
    const Key key(node.verdict.verdict, node.verdict.tier, node.verdict.rule, node.op);
    const auto [it, inserted] = index.emplace(key, groups.size());
    if (inserted) groups.push_back({&node, {}});
    groups[it->second].names.push_back(&node.name);
  }
  if (groups.empty()) return;
  text += all ? "  nodes:\n" : "  nodes that are not on the NPU:\n";
  for (const Group& group : groups) {
    const NodeReport& node = *group.first;
    char head[64];
    std::snprintf(head, sizeof(head), "    %-11s  %-11s  ", VerdictName(node.verdict.verdict),
                  EvidenceTierName(node.verdict.tier));
    text += head + node.op;
    if (group.names.size() > 1) text += " (" + std::to_string(group.names.size()) + ")";
    text += " " + node.verdict.rule + ": " + node.verdict.reason + "\n          ";
    constexpr size_t kNames = 3;
    for (size_t i = 0; i < group.names.size() && i < kNames; ++i)
      text += (i == 0 ? "" : ", ") + *group.names[i];
    text += group.names.size() > kNames ? ", ...\n" : "\n";
  }
}

void AddHelp(const TargetReport& report, std::string& text) {
  if (report.help.empty()) return;
  text += "  what would help, the largest gain first:\n";
  int rank = 0;
  for (const Help& help : report.help) {
    if (++rank > 10) break;
    text += "    " + std::to_string(rank) + ". " +
            Plural(static_cast<int64_t>(help.nodes.size()), "node", "nodes") +
            (help.op.empty() ? "" : " " + help.op) + ": " +
            (help.remedy.empty() ? "no remedy is known" : help.remedy) + "\n";
    text += "       because " + help.reason + " [" + EvidenceTierName(help.tier) + "]\n";
    text += "       gains " + FlopsText(help.gained_flops) + " on the NPU, " +
            std::to_string(help.subgraphs_before) + " -> " + std::to_string(help.subgraphs_after) +
            " subgraphs, about " + SecondsText(help.gained_seconds) + "\n";
  }
}

void AddConstants(const Target& target, std::string& text) {
  text += "  constants of the estimate:\n";
  const auto add = [&](const char* name, const std::string& value, const Constant& constant) {
    text += "    " + std::string(name) + " " + value + ": " + constant.source + "\n";
  };
  add("launch", SecondsText(target.launch_seconds.value), target.launch_seconds);
  add("transfer", BytesText(target.transfer_per_second.value) + "/s", target.transfer_per_second);
  add("NPU", FlopsText(target.npu_flops.value) + "/s", target.npu_flops);
  add("CPU", FlopsText(target.cpu_flops.value) + "/s", target.cpu_flops);
}

}  // namespace

std::string BytesText(double bytes) { return Scaled(bytes, "B", 1000); }
std::string FlopsText(double flops) { return Scaled(flops, "FLOP", 1000); }

std::string SecondsText(double seconds) {
  const double size = std::fabs(seconds);
  if (size == 0) return "0 s";
  if (size < 1e-3) return Format("%.0f us", seconds * 1e6);
  if (size < 1) return Format("%.1f ms", seconds * 1e3);
  return Format("%.2f s", seconds);
}

std::string PercentText(double part, double whole) {
  if (whole <= 0) return "share not known";
  const double percent = 100 * part / whole;
  // 99.96 is not 100.
  if (percent > 99.9 && part < whole) return "99.9 %";
  return Format(percent == 100 || percent == 0 ? "%.0f %%" : "%.1f %%", percent);
}

std::string ReportText(const DoctorReport& report, bool all_nodes) {
  std::string text;
  for (const ModelReport& model : report.models) {
    text += (model.stage.empty() ? model.path : model.path + ", " + model.stage) + "\n";
    text += "  opset " + std::to_string(model.opset) + ", by " +
            (model.producer.empty() ? "an unnamed program" : model.producer) + ", " +
            BytesText(static_cast<double>(model.file_bytes)) +
            (model.data_files > 0
                 ? " and " + BytesText(static_cast<double>(model.data_bytes)) + " in " +
                       Plural(static_cast<int64_t>(model.data_files), "data file", "data files")
                 : "") +
            "\n";
    for (const std::string& input : model.inputs) text += "  in   " + input + "\n";
    for (const std::string& output : model.outputs) text += "  out  " + output + "\n";
    for (const std::string& conflict : model.conflicts) text += "  conflict  " + conflict + "\n";
    for (const TargetReport& target : model.targets) {
      text += "\n" + target.target.id + ": " + target.target.title + "\n";
      if (!target.compiler_note.empty()) text += "  compiler  " + target.compiler_note + "\n";
      AddTotals(target, text);
      AddFindings(target, text);
      AddNodes(target, all_nodes, text);
      AddHelp(target, text);
      AddConstants(target.target, text);
    }
    text += "\n";
  }
  for (const OpDatabase::Source& source : report.sources) {
    text += "measured rows: " + source.title + ", " + source.date + " (" +
            std::to_string(source.rows) + " rows)\n";
  }
  for (const std::string& note : report.notes) text += note + "\n";
  return text;
}

}  // namespace tessera::doctor
