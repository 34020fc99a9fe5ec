#include "graph/svg.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/xml.h"
#include "graph/dump.h"
#include "graph/svg_layout.h"

namespace tessera {
namespace {

constexpr double kMargin = 24, kTitleHeight = 54, kLayerHeight = 92;
constexpr double kBoxHeight = 60, kPillHeight = 40;
constexpr double kSmallCharacter = 6.3;  // width of a character of 11 px, on the wide side
constexpr size_t kMaxLine = 44;          // characters; longer lines are cut

// What is drawn for a node, an input, a state or a result.
struct Card {
  std::string title, name, detail;
  std::string fill, ink;
  bool pill = false;
  double cost_share = -1;  // of the costliest node; negative: not shown
  double Height() const { return pill ? kPillHeight : kBoxHeight; }
};

struct Colours {
  const char *fill, *ink;
};
Colours ColoursOf(OpKind op) {
  switch (op) {
    case OpKind::kLinear:
      return {"#dbeafe", "#1e40af"};
    case OpKind::kConv1d:
      return {"#cffafe", "#155e75"};
    case OpKind::kLayerNorm:
      return {"#f3e8ff", "#6b21a8"};
    case OpKind::kLstm:
      return {"#fae8ff", "#86198f"};
    case OpKind::kGelu:
    case OpKind::kRelu:
    case OpKind::kSigmoid:
    case OpKind::kMagnitude:
      return {"#dcfce7", "#166534"};
    case OpKind::kSlice:
    case OpKind::kAdd:
      return {"#f1f5f9", "#334155"};
    case OpKind::kAttention:
    case OpKind::kCachedAttention:
    case OpKind::kRaggedAttention:
      return {"#ffedd5", "#9a3412"};
    case OpKind::kGather:
      return {"#fef9c3", "#854d0e"};
    case OpKind::kCacheWrite:
      return {"#fee2e2", "#991b1b"};
  }
  return {"#ffffff", "#000000"};
}

std::string Number(double x) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f", x);
  return text.data();
}

// Cut on a UTF-8 boundary. A control character is not allowed in XML.
std::string Shortened(const std::string& text) {
  if (text.size() <= kMaxLine) return text;
  size_t end = kMaxLine - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string Text(double x, double y, const std::string& style, const std::string& text) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" " + style + ">" +
         EscapeXml(Shortened(text)) + "</text>\n";
}

std::string TypeText(const Value& value) {
  return std::string(DTypeName(value.dtype)) + " " + DimsToString(value.dims);
}

class Drawing {
 public:
  Drawing(const Graph& graph, const DimBindings& bindings) : graph_(graph), bindings_(bindings) {}

  Result<std::string> Run() {
    TESSERA_RETURN_IF_ERROR(EstimateCosts());
    AddSources(graph_.inputs(), "input");
    AddSources(graph_.states(), "state");
    for (size_t i = 0; i < graph_.nodes().size(); ++i) AddNode(i);
    for (const GraphOutput& output : graph_.outputs())
      AddResult("output", output.name, output.value);
    for (const StateUpdate& update : graph_.state_updates()) {
      AddResult("new state", graph_.value(update.state).name, update.value);
    }
    TESSERA_ASSIGN_OR_RETURN(const Layout layout, LayOut(std::move(boxes_)));
    return Draw(layout);
  }

 private:
  Status EstimateCosts() {
    for (const Value& value : graph_.values()) {
      if (value.kind == ValueKind::kConstant)
        weight_bytes_ += static_cast<double>(value.data.bytes());
    }
    if (bindings_.empty() && !graph_.Symbols().empty()) return OkStatus();
    for (const Node& node : graph_.nodes()) {
      TESSERA_ASSIGN_OR_RETURN(const double flops, NodeFlops(graph_, node, bindings_));
      flops_.push_back(flops);
      total_flops_ += flops;
      highest_flops_ = std::max(highest_flops_, flops);
    }
    return OkStatus();
  }

  int AddCard(Card card, std::vector<int> sources) {
    size_t longest = 0;
    for (const std::string* line : {&card.title, &card.name, &card.detail}) {
      longest = std::max(longest, std::min(line->size(), kMaxLine));
    }
    LayoutBox& box = boxes_.emplace_back();
    box.width = std::max(96.0, static_cast<double>(longest) * kSmallCharacter + 22);
    std::ranges::sort(sources);
    sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
    box.sources = std::move(sources);
    cards_.push_back(std::move(card));
    return static_cast<int>(cards_.size()) - 1;
  }

  void AddSources(const std::vector<ValueId>& ids, const std::string& what) {
    for (ValueId id : ids) {
      const Value& value = graph_.value(id);
      card_of_[id] =
          AddCard({what + " " + value.name, "", TypeText(value), "#0f172a", "#ffffff", true}, {});
    }
  }

  void AddNode(size_t index) {
    const Node& node = graph_.nodes()[index];
    std::vector<int> sources;
    double bytes = 0;
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (const auto it = card_of_.find(id); it != card_of_.end()) {
        sources.push_back(it->second);
      } else {
        bytes += static_cast<double>(graph_.value(id).data.bytes());
      }
    }
    const auto [fill, ink] = ColoursOf(node.op);
    Card card = {std::string(OpName(node.op)), node.name,
                 DimsToString(graph_.value(node.outputs[0]).dims), fill, ink};
    if (!flops_.empty() && flops_[index] > 0) {
      card.title += " · " + FormatFlops(flops_[index]);
      card.cost_share = flops_[index] / highest_flops_;
    }
    if (bytes > 0) card.detail += " · " + FormatBytes(bytes);
    card_of_[node.outputs[0]] = AddCard(std::move(card), std::move(sources));
  }

  void AddResult(const std::string& what, const std::string& name, ValueId id) {
    std::vector<int> sources;
    if (const auto it = card_of_.find(id); it != card_of_.end()) sources.push_back(it->second);
    AddCard({what + " " + name, "", TypeText(graph_.value(id)), "#0f172a", "#ffffff", true},
            std::move(sources));
  }

  std::string DrawEdge(const Layout& layout, const LayoutEdge& edge) const {
    const auto x_of = [&](double x) { return kMargin + x; };
    double x = x_of(layout.boxes[edge.from].x);
    double y = CentreY(layout.boxes[edge.from].layer) + cards_[edge.from].Height() / 2;
    std::string path = "M" + Number(x) + " " + Number(y);
    const auto curve_to = [&](double to_x, double to_y) {
      const std::string middle = Number((y + to_y) / 2);
      path += " C" + Number(x) + " " + middle + " " + Number(to_x) + " " + middle + " " +
              Number(to_x) + " " + Number(to_y);
      x = to_x;
      y = to_y;
    };
    for (const LayoutPoint& bend : edge.bends) {
      // Straight past the boxes of the layer, curved between layers.
      curve_to(x_of(bend.x), CentreY(bend.layer) - kBoxHeight / 2);
      y = CentreY(bend.layer) + kBoxHeight / 2;
      path += " V" + Number(y);
    }
    curve_to(x_of(layout.boxes[edge.to].x),
             CentreY(layout.boxes[edge.to].layer) - cards_[edge.to].Height() / 2);
    return "<path d=\"" + path + "\" class=\"e\" marker-end=\"url(#a)\"/>\n";
  }

  std::string DrawCard(const Card& card, const LayoutBox& box) const {
    const double x = kMargin + box.x, y = CentreY(box.layer), height = card.Height();
    const double left = x - box.width / 2, top = y - height / 2;
    std::string svg = "<rect x=\"" + Number(left) + "\" y=\"" + Number(top) + "\" width=\"" +
                      Number(box.width) + "\" height=\"" + Number(height) + "\" rx=\"" +
                      (card.pill ? "20" : "7") + "\" fill=\"" + card.fill + "\" stroke=\"" +
                      card.ink + "\"/>\n";
    const std::string style = "fill=\"" + card.ink + "\"";
    if (card.pill) {
      svg += Text(x, y - 3, style + " class=\"t\"", card.title);
      return svg + Text(x, y + 12, style + " class=\"s\"", card.detail);
    }
    svg += Text(x, top + 18, style + " class=\"t\"", card.title);
    svg += Text(x, top + 33, style + " class=\"s\"", card.name);
    svg += Text(x, top + 47, style + " class=\"s\"", card.detail);
    if (card.cost_share >= 0) {
      svg += "<rect x=\"" + Number(left + 8) + "\" y=\"" + Number(top + height - 7) +
             "\" width=\"" + Number((box.width - 16) * card.cost_share) +
             "\" height=\"3\" rx=\"1.5\" fill=\"" + card.ink + "\"/>\n";
    }
    return svg;
  }

  std::string Draw(const Layout& layout) const {
    std::string summary = std::to_string(graph_.nodes().size()) + " nodes, " +
                          FormatBytes(weight_bytes_) + " of weights";
    if (!flops_.empty()) summary += ", " + FormatFlops(total_flops_);
    std::string sizes;
    for (const auto& [symbol, size] : bindings_) {
      sizes += (sizes.empty() ? " at " : ", ") + symbol + " = " + std::to_string(size);
    }
    const double width = std::max(layout.width + 2 * kMargin, 460.0);
    const double height = kTitleHeight + layout.layers * kLayerHeight + kMargin;
    std::string svg =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + Number(width) + "\" height=\"" +
        Number(height) + "\" viewBox=\"0 0 " + Number(width) + " " + Number(height) +
        "\" font-family=\"Helvetica, Arial, sans-serif\" text-anchor=\"middle\">\n"
        "<style>.t{font-size:12px;font-weight:bold}.s{font-size:11px}"
        ".e{fill:none;stroke:#94a3b8;stroke-width:1.4}</style>\n"
        "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
        "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#94a3b8\"/></marker>"
        "</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    const std::string left = "text-anchor=\"start\" fill=\"#0f172a\" font-size=";
    svg += Text(kMargin, 28, left + "\"18\" font-weight=\"bold\"", graph_.name());
    svg += "<text x=\"" + Number(kMargin) + "\" y=\"46\" " + left + "\"12\">" +
           EscapeXml(summary + sizes) + "</text>\n";
    for (const LayoutEdge& edge : layout.edges) svg += DrawEdge(layout, edge);
    for (size_t i = 0; i < cards_.size(); ++i) svg += DrawCard(cards_[i], layout.boxes[i]);
    return svg + "</svg>\n";
  }

  static double CentreY(int layer) { return kTitleHeight + (layer + 0.5) * kLayerHeight; }

  const Graph& graph_;
  const DimBindings& bindings_;
  std::vector<double> flops_;  // by node; empty when the symbols are not bound
  double total_flops_ = 0, highest_flops_ = 0, weight_bytes_ = 0;
  std::vector<Card> cards_;
  std::vector<LayoutBox> boxes_;  // as the cards
  std::map<ValueId, int> card_of_;
};

}  // namespace

Result<std::string> DrawGraph(const Graph& graph, const DimBindings& bindings) {
  auto svg = Drawing(graph, bindings).Run();
  if (svg.ok()) return svg;
  return std::move(svg).status().AddContext("drawing graph '" + graph.name() + "'");
}

}  // namespace tessera
