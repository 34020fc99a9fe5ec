// The report as a page: tables and the rooflines, no script and nothing from elsewhere.
#include "bench/report.h"
#include "bench/roofline_svg.h"
#include "bench/tables.h"

namespace tessera::bench {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --page: #ffffff; --line: #d8dee4; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9aa4ae; --page: #12161b; --line: #2d343c; --card: #1a2027; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1240px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } p { color: var(--dim); margin: .2rem 0 .8rem; }
svg { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 60%; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem; min-width: 8rem; }
.card b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; } .card span { color: var(--dim); }
)";

std::string Element(const std::string& tag, const std::string& text) {
  return "<" + tag + ">" + XmlText(text) + "</" + tag + ">";
}

std::string TableHtml(const Table& table) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& name : table.header) html += Element("th", name);
  html += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += Element("td", cell);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string Cards(const Report& report) {
  const Table table = LimitsTable(report);
  std::string html = "<div class=\"cards\">";
  for (size_t c = 1; c < table.header.size(); ++c)
    html += "<div class=\"card\"><b>" + XmlText(table.rows[0][c]) + "</b>" +
            Element("span", table.header[c]) + "</div>";
  return html + "</div>\n";
}

}  // namespace

std::string ReportHtml(const Report& report) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<title>tessera bench</title><style>" +
      std::string(kStyle) + "</style></head><body>\n";
  html += Element("h1", "What this machine does with Tessera") + "\n";
  html += Element("p", MachineLine(report.machine) + ". tessera " + report.version +
                           (report.interrupted ? ". Interrupted: incomplete." : ".")) +
          "\n";
  html += Element("h2", "Its limits") + "\n" + Cards(report);
  html +=
      "<p>Measured with every operand in a register, by reading from memory, and by threads that "
      "wait for each other.</p>\n";
  bool any_stage = false;
  for (const ModelReport& model : report.models) {
    const Table table = SummaryTable(report, model);
    html += Element("h2", table.title) + "\n" + TableHtml(table);
    any_stage = any_stage || !model.stages.empty();
  }
  if (any_stage) {
    html += Element("h2", "Roofline") + "\n" + DrawRoofline(report);
    for (const ModelReport& model : report.models) {
      html += Element("h2", "Steps of " + model.name + ", " +
                                std::string(kernels::PrecisionName(model.precision))) +
              "\n";
      for (const Stage& stage : model.stages)
        html += Element("h3", stage.title) + "\n" + TableHtml(StepsTable(stage));
    }
  }
  for (const std::string& note : report.notes) html += Element("p", note) + "\n";
  return html + "</body></html>\n";
}

}  // namespace tessera::bench
