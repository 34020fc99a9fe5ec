// The findings as a page: no script, nothing from elsewhere.
#include <algorithm>
#include <map>
#include <tuple>

#include "base/xml.h"
#include "doctor/partition_svg.h"
#include "doctor/report.h"

namespace tessera::doctor {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --page: #ffffff; --line: #d8dee4; --card: #f6f8fa;
  --supported: #2da44e; --partial: #e0a021; --unsupported: #d1242f; --unknown: #8c7ae6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9aa4ae; --page: #12161b; --line: #2d343c; --card: #1a2027; --supported: #3fb950;
    --partial: #d29922; --unsupported: #f85149; --unknown: #a793ff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1240px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } p { color: var(--dim); margin: .2rem 0 .8rem; }
svg { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0; }
svg text { font: 11px system-ui, sans-serif; fill: var(--dim); } svg text.lane { font-weight: 600; }
.rail { stroke: var(--line); } .npu { fill: var(--supported); opacity: .13; } .cpu { fill: var(--partial); opacity: .16; }
.cross { fill: none; stroke: var(--dim); stroke-width: 1.2; } rect:hover { stroke: var(--ink); stroke-width: 1.5; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 500; } td.n { text-align: right; white-space: nowrap; } td.v { white-space: nowrap; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: .6rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .5rem 1rem; min-width: 8rem; }
.card b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; } .card span { color: var(--dim); }
.dot { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .4em; }
.finding { border-left: 4px solid var(--line); padding: .2rem .8rem; margin: .4rem 0; background: var(--card); }
.finding.error { border-color: var(--unsupported); } .finding.warning { border-color: var(--partial); }
details > summary { cursor: pointer; color: var(--dim); margin: .6rem 0; } code { font-size: .92em; }
)";

std::string Tag(const std::string& tag, const std::string& text) {
  return "<" + tag + ">" + EscapeXml(text) + "</" + tag.substr(0, tag.find(' ')) + ">";
}

std::string Dot(Verdict verdict) {
  return "<span class=\"dot\" style=\"background:var(--" + std::string(VerdictName(verdict)) +
         ")\"></span>" + VerdictName(verdict);
}

std::string Card(const std::string& value, const std::string& name) {
  return "<div class=\"card\"><b>" + EscapeXml(value) + "</b>" + Tag("span", name) + "</div>";
}

std::string Cards(const Totals& t) {
  std::string html = "<div class=\"cards\">";
  // The work of open sizes is not known.
  if (t.unsized_nodes > 0) {
    html += Card("?", "work: " + std::to_string(t.unsized_nodes) + " nodes of open size");
  } else if (t.flops > 0) {
    html += Card(PercentText(t.npu_flops, t.flops), "of " + FlopsText(t.flops) + " on the NPU");
  }
  html += Card(std::to_string(t.npu_nodes) + " / " + std::to_string(t.nodes), "nodes on the NPU");
  html += Card(std::to_string(t.subgraphs), t.subgraphs == 1 ? "subgraph" : "subgraphs");
  html += Card(BytesText(t.boundary_bytes), "cross because of the split");
  html +=
      Card(SecondsText(t.launch_seconds + t.transfer_seconds), "launch and transfer, estimated");
  return html + "</div>\n";
}

std::string Legend() {
  std::string html = "<p>";
  for (const Verdict v :
       {Verdict::kSupported, Verdict::kPartial, Verdict::kUnsupported, Verdict::kUnknown})
    html += Dot(v) + " &nbsp; ";
  return html +
         "Each bar is a node in the order of the file, its height the work in it; the upper lane "
         "is "
         "the NPU, the lower the CPU. Rest the mouse on a bar for its reason.</p>\n";
}

std::string Findings(const TargetReport& report) {
  std::string html;
  for (const ModelFinding& f : report.findings) {
    html += std::string("<div class=\"finding ") + SeverityName(f.severity) + "\"><b>" +
            EscapeXml(f.rule) + "</b> " + EscapeXml(f.message);
    if (!f.remedy.empty()) html += "<br>Remedy: " + EscapeXml(f.remedy);
    html += "</div>\n";
  }
  return html;
}

std::string Row(std::initializer_list<std::string> cells) {
  std::string html = "<tr>";
  for (const std::string& cell : cells) html += cell;
  return html + "</tr>\n";
}
std::string Cell(const std::string& text) { return "<td>" + EscapeXml(text) + "</td>"; }
std::string NumberCell(const std::string& text) {
  return "<td class=\"n\">" + EscapeXml(text) + "</td>";
}
std::string Head(std::initializer_list<const char*> names) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const char* name : names) html += Tag("th", name);
  return html + "</tr></thead><tbody>\n";
}
constexpr const char* kEnd = "</tbody></table></div>\n";

std::string HelpTable(const TargetReport& report) {
  if (report.help.empty()) return "";
  std::string html =
      Tag("h3", "What would help, the largest gain first") +
      Head({"nodes", "what to do", "why", "work won", "subgraphs", "gain, estimated"});
  for (const Help& help : report.help) {
    html +=
        Row({NumberCell(std::to_string(help.nodes.size()) + (help.op.empty() ? "" : " " + help.op)),
             Cell(help.remedy.empty() ? "no remedy is known" : help.remedy),
             Cell(help.reason + " [" + EvidenceTierName(help.tier) + "]"),
             NumberCell(FlopsText(help.gained_flops)),
             NumberCell(std::to_string(help.subgraphs_before) + " \u2192 " +
                        std::to_string(help.subgraphs_after)),
             NumberCell(SecondsText(help.gained_seconds))});
  }
  return html + kEnd;
}

// Reasons, each with how many nodes it has.
std::string Reasons(const TargetReport& report) {
  using Key = std::tuple<Verdict, std::string, std::string, EvidenceTier, std::string>;
  std::map<Key, std::vector<const NodeReport*>> groups;
  for (const NodeReport& node : report.nodes) {
    const NodeVerdict& v = node.verdict;
    groups[Key(v.verdict, node.op, v.rule, v.tier, v.reason)].push_back(&node);
  }
  std::string html =
      "<details" +
      std::string(report.totals.partial + report.totals.unsupported + report.totals.unknown > 0
                      ? " open"
                      : "") +
      "><summary>Every reason</summary>" +
      Head({"verdict", "operator", "nodes", "known from", "reason", "first node"});
  constexpr size_t kMost = 400;
  size_t rows = 0;
  const auto add = [&](bool supported) {
    for (const auto& [key, nodes] : groups) {
      const auto& [verdict, op, rule, tier, reason] = key;
      if ((verdict == Verdict::kSupported) != supported || rows++ >= kMost) continue;
      html += Row({"<td class=\"v\">" + Dot(verdict) + "</td>", Cell(op),
                   NumberCell(std::to_string(nodes.size())),
                   Cell(std::string(EvidenceTierName(tier)) + ", " + rule), Cell(reason),
                   Cell(nodes[0]->name)});
    }
  };
  add(false);
  add(true);
  return html + kEnd + "</details>\n";
}

std::string Boundaries(const TargetReport& report) {
  std::vector<Boundary> sorted = report.boundaries;
  std::sort(sorted.begin(), sorted.end(), [](const Boundary& a, const Boundary& b) {
    return std::tie(a.bytes, b.value) > std::tie(b.bytes, a.value);
  });
  constexpr size_t kMost = 50;
  std::string html = "<details><summary>Tensors that cross between CPU and NPU (" +
                     std::to_string(sorted.size()) + ")</summary>" +
                     Head({"tensor", "direction", "bytes", ""});
  for (size_t i = 0; i < sorted.size() && i < kMost; ++i) {
    html += Row({Cell(sorted[i].value), Cell(sorted[i].to_npu ? "to the NPU" : "from the NPU"),
                 NumberCell(sorted[i].bytes > 0 ? BytesText(sorted[i].bytes) : "unknown"),
                 Cell(sorted[i].model_interface ? "of the model" : "because of the split")});
  }
  return html + kEnd + "</details>\n";
}

std::string Constants(const Target& t) {
  std::string html =
      "<details><summary>Constants of the estimate</summary>" + Head({"constant", "value", "from"});
  const auto add = [&](const char* name, const std::string& value, const Constant& c) {
    html += Row({Cell(name), NumberCell(value), Cell(c.source)});
  };
  add("launch of a subgraph", SecondsText(t.launch_seconds.value), t.launch_seconds);
  add("transfer", BytesText(t.transfer_per_second.value) + "/s", t.transfer_per_second);
  add("NPU", FlopsText(t.npu_flops.value) + "/s", t.npu_flops);
  add("CPU", FlopsText(t.cpu_flops.value) + "/s", t.cpu_flops);
  return html + kEnd + "</details>\n";
}

std::string ListOf(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string html = "<details><summary>" + EscapeXml(title) + " (" + std::to_string(items.size()) +
                     ")</summary><ul>";
  for (const std::string& item : items) html += "<li><code>" + EscapeXml(item) + "</code></li>";
  return html + "</ul></details>\n";
}

}  // namespace

std::string ReportHtml(const DoctorReport& report) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<title>tessera doctor</title><style>" +
      std::string(kStyle) + "</style></head><body>\n";
  html += Tag("h1", "What of this model runs on an NPU") + "\n";
  html += Tag("p", "tessera " + report.version + ", static analysis; times are estimates.") + "\n";
  for (const ModelReport& model : report.models) {
    html += Tag("h2", model.path + (model.stage.empty() ? "" : ", " + model.stage)) + "\n";
    html += Tag("p", "opset " + std::to_string(model.opset) + ", by " +
                         (model.producer.empty() ? "an unnamed program" : model.producer) + ", " +
                         BytesText(static_cast<double>(model.file_bytes + model.data_bytes)));
    html += ListOf("Inputs", model.inputs) + ListOf("Outputs", model.outputs) +
            ListOf("Contradictions in the file", model.conflicts);
    for (const TargetReport& target : model.targets) {
      html += "<section>" + Tag("h3", target.target.title) + "\n" + Cards(target.totals);
      if (!target.compiler_note.empty()) html += Tag("p", "Compiler: " + target.compiler_note);
      html += Findings(target) + DrawPartitions(target) + Legend() + HelpTable(target) +
              Reasons(target) + Boundaries(target) + Constants(target.target) + "</section>\n";
    }
  }
  if (!report.sources.empty()) {
    html += Tag("h2", "Measured rows") + "<ul>";
    for (const OpDatabase::Source& s : report.sources)
      html += Tag("li", s.title + ", " + s.date + ", " + std::to_string(s.rows) + " rows");
    html += "</ul>\n";
  }
  for (const std::string& note : report.notes) html += Tag("p", note) + "\n";
  return html + "</body></html>\n";
}

}  // namespace tessera::doctor
