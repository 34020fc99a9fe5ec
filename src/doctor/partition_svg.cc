#include "doctor/partition_svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/xml.h"
#include "doctor/report.h"

namespace tessera::doctor {
namespace {

constexpr double kWidth = 1180, kMargin = 44, kCell = 10, kGap = 2;
constexpr double kBar = 30;    // of the node with the most work
constexpr double kLane = 58;   // from the NPU's lane to the CPU's
constexpr double kRow = 150;   // from one line of nodes to the next
constexpr double kBreak = 12;  // between two parts
constexpr size_t kMostNodes = 4000;

// Nodes that follow each other on one side.
struct Part {
  int partition = -1;
  std::vector<const NodeReport*> nodes;
  double flops = 0;
};

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

std::string Rect(double x, double y, double w, double h, const std::string& more) {
  return "<rect x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" width=\"" + Number(w) +
         "\" height=\"" + Number(h) + "\" " + more;
}

std::string Text(double x, double y, const std::string& cls, const std::string& text) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" class=\"" + cls + "\">" +
         EscapeXml(text) + "</text>\n";
}

std::vector<Part> Parts(const TargetReport& report, size_t& left_out) {
  std::vector<Part> parts;
  size_t drawn = 0;
  for (const NodeReport& node : report.nodes) {
    if (node.partition == -2) continue;
    if (drawn++ >= kMostNodes) {
      ++left_out;
      continue;
    }
    if (parts.empty() || parts.back().partition != node.partition)
      parts.push_back({node.partition, {}, 0});
    parts.back().nodes.push_back(&node);
    parts.back().flops += node.flops;
  }
  return parts;
}

class Picture {
 public:
  explicit Picture(const TargetReport& report) {
    parts_ = Parts(report, left_out_);
    for (const Part& part : parts_) {
      for (const NodeReport* node : part.nodes) most_ = std::max(most_, node->flops);
    }
    for (const Part& part : parts_) {
      if (labelled_.emplace(part.partition, 0).second && part.partition >= 0) ++count_;
    }
  }

  std::string Draw() {
    for (const Part& part : parts_) DrawPart(part);
    const double height = y_ + kRow - 16;
    std::string lanes;
    for (double y = 0; y <= y_; y += kRow) {
      lanes += Text(4, y + 46, "lane", "NPU") + Text(4, y + 46 + kLane, "lane", "CPU");
      for (const double lane : {0.0, kLane}) {
        lanes += "<line x1=\"" + Number(kMargin) + "\" x2=\"" + Number(kWidth) + "\" y1=\"" +
                 Number(y + 51 + lane) + "\" y2=\"" + Number(y + 51 + lane) +
                 "\" class=\"rail\"/>\n";
      }
    }
    if (left_out_ > 0) {
      body_ += Text(kMargin, height + 4, "note",
                    "and " + std::to_string(left_out_) + " more nodes, in the tables and the JSON");
    }
    return "<svg viewBox=\"0 0 " + Number(kWidth) + " " + Number(height + 12) +
           "\" role=\"img\" aria-label=\"nodes in order, by side\">\n" + lanes + body_ + "</svg>\n";
  }

 private:
  static std::string Title(const NodeReport& node) {
    std::string text = node.op + "  " + node.name + "\n" + node.result + "\n" +
                       VerdictName(node.verdict.verdict) + " (" +
                       EvidenceTierName(node.verdict.tier) + ", " + node.verdict.rule + ")\n" +
                       node.verdict.reason;
    if (!node.verdict.remedy.empty()) text += "\nremedy: " + node.verdict.remedy;
    return text + "\n" + FlopsText(node.flops) + ", weights " + BytesText(node.weight_bytes);
  }

  // A bar for each node; a part that does not fit on the line goes on on the next.
  void DrawPart(const Part& part) {
    const double lane = part.partition >= 0 ? 0 : kLane;
    size_t next = 0;
    while (next < part.nodes.size()) {
      if (x_ + kCell > kWidth) {
        x_ = kMargin;
        y_ += kRow;
        last_lane_ = -1;
      }
      const auto room = static_cast<size_t>((kWidth - x_) / (kCell + kGap));
      const size_t count = std::min(part.nodes.size() - next, std::max<size_t>(room, 1));
      const double width = static_cast<double>(count) * (kCell + kGap) - kGap;
      const double base = y_ + 50 + lane;
      if (last_lane_ >= 0 && last_lane_ != lane) {
        const double from = y_ + 36 + last_lane_, to = y_ + 36 + lane;
        body_ += "<path d=\"M" + Number(x_ - kBreak) + " " + Number(from) + " C " + Number(x_ - 2) +
                 " " + Number(from) + ", " + Number(x_ - kBreak + 2) + " " + Number(to) + ", " +
                 Number(x_) + " " + Number(to) + "\" class=\"cross\"/>\n";
      }
      body_ +=
          Rect(x_ - 3, base - kBar - 4, width + 6, kBar + 8,
               std::string("rx=\"4\" class=\"") + (part.partition >= 0 ? "npu" : "cpu") + "\"/>\n");
      for (size_t i = 0; i < count; ++i) DrawNode(*part.nodes[next + i], base, i);
      Label(part, width, next == 0);
      next += count;
      x_ += width + kBreak;
      last_lane_ = lane;
    }
  }

  void DrawNode(const NodeReport& node, double base, size_t i) {
    const double share = most_ > 0 ? std::sqrt(node.flops / most_) : 0;
    const double height = 6 + (kBar - 6) * share;
    body_ += Rect(x_ + static_cast<double>(i) * (kCell + kGap), base - height, kCell, height,
                  std::string("rx=\"1.5\" fill=\"var(--") + VerdictName(node.verdict.verdict) +
                      ")\"><title>" + EscapeXml(Title(node)) + "</title></rect>\n");
  }

  // What fits over a part: its number, nodes and work.
  void Label(const Part& part, double width, bool first) {
    if (!first) return;
    const bool npu = part.partition >= 0;
    std::string label = npu && count_ > 1 ? std::to_string(part.partition + 1) : "";
    if (width > 150 && npu) {
      label = (count_ > 1 ? "part " + label + ": " : "") + std::to_string(part.nodes.size()) +
              " nodes, " + FlopsText(part.flops);
    } else if (!npu) {
      label = width > 60 ? std::to_string(part.nodes.size()) + " nodes" : "";
      if (part.nodes.size() == 1 || width <= 60) label = part.nodes[0]->op.substr(0, 12);
      // Names of neighbours would run into each other.
      if (x_ < free_from_) return;
      free_from_ = x_ + 7 * static_cast<double>(label.size());
    }
    body_ += Text(x_ - 2, y_ + (npu ? 12 : 66 + kLane), "part", label);
    if (x_ <= kMargin) free_from_ = 0;
  }

  std::vector<Part> parts_;
  std::map<int, int> labelled_;
  size_t left_out_ = 0;
  int64_t count_ = 0;
  double most_ = 0, x_ = kMargin, y_ = 0, last_lane_ = -1, free_from_ = 0;
  std::string body_;
};

}  // namespace

std::string DrawPartitions(const TargetReport& report) { return Picture(report).Draw(); }

}  // namespace tessera::doctor
