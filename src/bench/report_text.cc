// The report for a terminal: aligned columns, no colour.
#include <algorithm>

#include "bench/report.h"
#include "bench/tables.h"
#include "text/utf8.h"

namespace tessera::bench {
namespace {

size_t Columns(const std::string& text) { return static_cast<size_t>(CountCodePoints(text)); }

std::string Aligned(const std::string& text, size_t width, bool right) {
  const std::string space(width - std::min(width, Columns(text)), ' ');
  return right ? space + text : text + space;
}

std::string TableText(const Table& table) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < table.header.size(); ++c) {
    size_t width = Columns(table.header[c]);
    for (const auto& row : table.rows) width = std::max(width, Columns(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& row) {
    for (size_t c = 0; c < row.size(); ++c) text += "  " + Aligned(row[c], widths[c], c > 0);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };
  text += table.title + '\n';
  line(table.header);
  for (const auto& row : table.rows) line(row);
  return text;
}

}  // namespace

std::string ReportText(const Report& report) {
  std::string text = MachineLine(report.machine) + "\n";
  if (report.devices.empty() || report.limits.complete())
    text += "\n" + TableText(LimitsTable(report));
  if (!report.devices.empty()) {
    text += '\n' + TableText(DevicesTable(report));
    for (const DeviceReport& device : report.devices)
      text +=
          device.device + ": " + (device.error.empty() ? device.placement : device.error) + '\n';
  }
  for (const ModelReport& model : report.models) {
    text += '\n' + TableText(SummaryTable(report, model));
    for (const Stage& stage : model.stages) text += '\n' + TableText(StepsTable(stage));
  }
  if (!report.notes.empty()) text += '\n';
  for (const std::string& note : report.notes) text += note + '\n';
  return text;
}

}  // namespace tessera::bench
