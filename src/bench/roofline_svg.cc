#include "bench/roofline_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "base/xml.h"
#include "bench/label_layout.h"
#include "bench/tables.h"
#include "text/utf8.h"

namespace tessera::bench {
namespace {

constexpr double kPanelWidth = 600, kPanelHeight = 430, kMargin = 20, kHeader = 88;
constexpr double kLeft = 62, kRight = 18, kTop = 46, kBottom = 66;  // around a panel's plot
constexpr double kLabelHeight = 15, kCharacter = 6.6;  // of 12 px text, on the wide side
constexpr double kLargestRadius = 30, kSmallestRadius = 3.5;
constexpr size_t kMaxLabel = 34, kMaxFootnote = 88;

constexpr const char* kStyle = R"(<style>
.rl text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1b1f24}
.rl .bg{fill:#ffffff}.rl .plot{fill:#f6f8fa}.rl .grid{stroke:#d8dee4;stroke-width:1;fill:none}
.rl .fine{stroke:#d8dee4;stroke-width:.5;opacity:.6;fill:none}
.rl .dim{fill:#59636e}.rl .h1{font-size:19px;font-weight:600}.rl .h2{font-size:14px;font-weight:600}
.rl .name{paint-order:stroke;stroke:#f6f8fa;stroke-width:3px;stroke-linejoin:round}
.rl .lead{stroke:#59636e;stroke-width:.8;fill:none}.rl .mem{stroke:#59636e;stroke-width:2;fill:none}
.rl .l0{stroke:#7048e8}.rl .l1{stroke:#0b7285}.rl .l2{stroke:#d9480f}
.rl .l0,.rl .l1,.rl .l2{stroke-width:2;fill:none}
.rl text.t0{fill:#7048e8}.rl text.t1{fill:#0b7285}.rl text.t2{fill:#d9480f}
.rl .c0{fill:#7048e8;stroke:#7048e8}.rl .c1{fill:#0b7285;stroke:#0b7285}.rl .c2{fill:#d9480f;stroke:#d9480f}
.rl circle{fill-opacity:.28;stroke-width:1.5}
@media (prefers-color-scheme:dark){
.rl text{fill:#e6edf3}.rl .bg{fill:#12161b}.rl .plot{fill:#1a2027}.rl .grid,.rl .fine{stroke:#343c46}
.rl .dim{fill:#9aa4ae}.rl .name{stroke:#1a2027}.rl .lead,.rl .mem{stroke:#9aa4ae}
.rl .l0{stroke:#b197fc}.rl .l1{stroke:#3bc9db}.rl .l2{stroke:#ff922b}
.rl text.t0{fill:#b197fc}.rl text.t1{fill:#3bc9db}.rl text.t2{fill:#ff922b}
.rl .c0{fill:#b197fc;stroke:#b197fc}.rl .c1{fill:#3bc9db;stroke:#3bc9db}.rl .c2{fill:#ff922b;stroke:#ff922b}}
</style>
)";

std::string Number(double x) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f", x);
  return text.data();
}

std::string Text(double x, double y, const std::string& attributes, const std::string& text) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" " + attributes + ">" +
         XmlText(text) + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2, const std::string& css,
                 const std::string& attributes = "") {
  return "<line class=\"" + css + "\" x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" +
         Number(x2) + "\" y2=\"" + Number(y2) + "\" " + attributes + "/>\n";
}

// Cut between characters.
std::string Cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

double TextWidth(const std::string& text) {
  return kCharacter * static_cast<double>(CountCodePoints(text));
}

// 5, -3 -> "0.005"; 1, 3 -> "1000"; 2, 7 -> "2e7".
std::string TickText(int digit, int exponent) {
  if (exponent > 5 || exponent < -3) return std::to_string(digit) + "e" + std::to_string(exponent);
  if (exponent >= 0) return std::to_string(digit) + std::string(static_cast<size_t>(exponent), '0');
  return "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + std::to_string(digit);
}

struct Axis {
  double low = 0, high = 1;  // log10
  double from = 0, to = 1;   // pixels
  double At(double value) const {
    return from + (std::log10(value) - low) / (high - low) * (to - from);
  }
};

struct Point {
  const StepKind* kind;
  double intensity, speed, share_of_time;
  size_t precision;  // with the most time at its limit
};

size_t LeadingPrecision(const Work& work, const Limits& limits) {
  size_t leading = 0;
  for (size_t p = 1; p < 3; ++p) {
    if (work.operations[p] / limits.operations[p].best >
        work.operations[leading] / limits.operations[leading].best)
      leading = p;
  }
  return leading;
}

class Panel {
 public:
  Panel(const Limits& limits, const ModelReport& model, const Stage& stage, double x, double y)
      : limits_(limits), model_(model), stage_(stage), left_(x), top_(y) {
    double total = 0;
    for (const StepKind& kind : stage.steps) total += kind.work.seconds;
    for (const StepKind& kind : stage.steps) {
      const Work& w = kind.work;
      if (w.Operations() > 0 && w.bytes > 0 && w.seconds > 0) {
        points_.push_back({&kind, w.Operations() / w.bytes, w.Operations() / w.seconds,
                           w.seconds / total, LeadingPrecision(w, limits)});
      } else {
        others_ += (others_.empty() ? "" : ", ") + kind.name + " " +
                   Percent(total > 0 ? w.seconds / total : 0);
      }
    }
    // The largest first: small circles stay visible on top, and large ones get the better labels.
    std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
      return std::tie(b.share_of_time, a.kind->name) < std::tie(a.share_of_time, b.kind->name);
    });
  }

  std::string Draw() {
    std::string svg =
        Text(left_ + kLeft, top_ + 22, "class=\"h2\"",
             model_.name + " in " + std::string(kernels::PrecisionName(model_.precision)) + ": " +
                 stage_.title);
    svg += Text(left_ + kLeft, top_ + 39, "class=\"dim\"", Subtitle());
    if (!limits_.complete() || points_.empty()) {
      return svg + Text(left_ + kLeft, top_ + kTop + 30, "class=\"dim\"",
                        "No products of matrices, or no limits: nothing to draw.");
    }
    SetAxes();
    for (const Point& p : points_) {
      const double x = x_.At(p.intensity), y = y_.At(p.speed), r = Radius(p);
      circles_.push_back({x - r, y - r, x + r, y + r});
    }
    svg += Grid();
    svg += Ceilings();
    svg += Points();
    if (!others_.empty()) {
      svg += Text(left_ + kLeft, top_ + kPanelHeight - 12, "class=\"dim\"",
                  Cut("Not drawn, since they multiply nothing: " + others_, kMaxFootnote));
    }
    return svg;
  }

 private:
  std::string Subtitle() const {
    std::string text = Digits(stage_.seconds.best * 1e3) + " ms";
    if (stage_.rows > 0) text += ", " + Digits(stage_.rows / stage_.seconds.best) + " tokens/s";
    if (stage_.audio_seconds > 0)
      text += ", " + Digits(stage_.audio_seconds / stage_.seconds.best) + "x real time";
    if (stage_.total.ideal_seconds > 0)
      text += ", " + Percent(stage_.total.Share()) + " of its limit";
    return text;
  }

  double Top() const {
    double top = 0;
    for (const Sampled& s : limits_.operations) top = std::max(top, s.best);
    return top;
  }

  // The lowest and the highest of the points and of where the ceilings meet the slope, with room.
  void SetAxes() {
    const double top = Top(), ridge = top / limits_.read.best;
    double low_x = ridge, high_x = ridge, low_y = top;
    for (const Sampled& s : limits_.operations) low_y = std::min(low_y, s.best);
    for (const Point& p : points_) {
      low_x = std::min(low_x, p.intensity);
      high_x = std::max(high_x, p.intensity);
      low_y = std::min(low_y, p.speed);
    }
    x_ = {std::log10(low_x) - 0.5, std::log10(high_x) + 0.75, left_ + kLeft,
          left_ + kPanelWidth - kRight};
    y_ = {std::log10(low_y) - 0.45, std::log10(top) + 0.25, top_ + kPanelHeight - kBottom,
          top_ + kTop};
    area_ = {x_.from + 2, y_.to + 2, x_.to - 2, y_.from - 2};
  }

  std::string Grid() const {
    std::string svg = "<rect class=\"plot\" x=\"" + Number(x_.from) + "\" y=\"" + Number(y_.to) +
                      "\" width=\"" + Number(x_.to - x_.from) + "\" height=\"" +
                      Number(y_.from - y_.to) + "\"/>\n";
    for (const bool horizontal : {true, false}) {
      const Axis& axis = horizontal ? x_ : y_;
      for (int e = static_cast<int>(std::floor(axis.low)); e <= axis.high; ++e) {
        for (int m = 1; m < 10; ++m) {
          const double value = m * std::pow(10.0, e), at = axis.At(value);
          if (std::log10(value) < axis.low || std::log10(value) > axis.high) continue;
          const char* css = m == 1 ? "grid" : "fine";
          svg += horizontal ? Line(at, y_.from, at, y_.to, css) : Line(x_.from, at, x_.to, at, css);
          // Few decades are told by more numbers.
          const bool few = axis.high - axis.low < 2.2;
          if (m != 1 && !(few && (m == 2 || m == 5))) continue;
          const std::string number = TickText(m, horizontal ? e : e - 9);
          svg += horizontal
                     ? Text(at, y_.from + 16, "class=\"dim\" text-anchor=\"middle\"", number)
                     : Text(x_.from - 6, at + 4, "class=\"dim\" text-anchor=\"end\"", number);
        }
      }
    }
    svg += Text((x_.from + x_.to) / 2, y_.from + 34, "class=\"dim\" text-anchor=\"middle\"",
                "operations a byte");
    const double middle = (y_.from + y_.to) / 2, at = left_ + 18;
    svg += Text(at, middle,
                "class=\"dim\" text-anchor=\"middle\" transform=\"rotate(-90 " + Number(at) + " " +
                    Number(middle) + ")\"",
                "GFLOP/s (int8: GOP/s)");
    return svg;
  }

  // Horizontal lines of the precisions from the slope to the right, and the slope of the memory.
  std::string Ceilings() {
    std::string svg;
    const double bandwidth = limits_.read.best;
    const double top = Top();
    const double x_low = std::pow(10.0, x_.low);
    const double y_low = std::pow(10.0, y_.low);
    // From the lower or the left edge to where the fastest precision is the limit.
    const auto slope = [&](double bytes_per_second) {
      const double begin = std::max(x_low, y_low / bytes_per_second), end = top / bytes_per_second;
      return std::array{x_.At(begin), y_.At(begin * bytes_per_second), x_.At(end), y_.At(top)};
    };
    if (const double cache = limits_.cache_read.best; cache > bandwidth && top / cache > x_low) {
      const auto [x1, y1, x2, y2] = slope(cache);
      svg += Line(x1, y1, x2, y2, "lead", "stroke-dasharray=\"6 4\"");
    }
    const auto [x1, y1, x2, y2] = slope(bandwidth);
    svg += Line(x1, y1, x2, y2, "mem");
    for (double t = 0; t < 1; t += 0.01) {
      const double x = x1 + (x2 - x1) * t, y = y1 + (y2 - y1) * t;
      lines_.push_back({x - 3, y - 3, x + 3, y + 3});
    }
    svg += MemoryText(x1, y1, x2, y2);
    // Precisions that are equally fast share a text.
    for (size_t p = 0; p < 3; ++p) {
      const double limit = limits_.operations[p].best, y = y_.At(limit);
      const double from = std::max(x_.At(limit / bandwidth), x_.from);
      svg += Line(from, y, x_.to, y, "l" + std::to_string(p));
      lines_.push_back({from, y - 1, x_.to, y + 1});
      const bool told = p > 0 && Close(p, p - 1);
      if (told) continue;
      std::string names(kernels::PrecisionName(kPrecisions[p]));
      for (size_t q = p + 1; q < 3 && Close(q, q - 1); ++q)
        names += ", " + std::string(kernels::PrecisionName(kPrecisions[q]));
      names += " " + Digits(limit / 1e9);
      svg +=
          Text(x_.to - 6, y - 5, "class=\"t" + std::to_string(p) + "\" text-anchor=\"end\"", names);
      obstacles_.push_back({x_.to - 6 - TextWidth(names), y - 18, x_.to, y - 2});
    }
    return svg;
  }

  // The slope's text, turned with it, where it covers the fewest circles.
  std::string MemoryText(double x1, double y1, double x2, double y2) {
    const std::string memory = "memory " + Digits(limits_.read.best / 1e9) + " GB/s";
    const double angle = std::atan2(y2 - y1, x2 - x1);
    const double length = std::hypot(x2 - x1, y2 - y1), width = TextWidth(memory);
    if (length < width + 20) return "";
    const auto boxes_at = [&](double offset) {
      // Above the line.
      const double mx = x1 + std::cos(angle) * offset + std::sin(angle) * 10;
      const double my = y1 + std::sin(angle) * offset - std::cos(angle) * 10;
      std::vector<Rect> boxes;
      for (double t = -0.5; t <= 0.5; t += 0.1) {
        const double cx = mx + std::cos(angle) * width * t, cy = my + std::sin(angle) * width * t;
        boxes.push_back({cx - 8, cy - 9, cx + 8, cy + 8});
      }
      return boxes;
    };
    double best = width / 2 + 10;
    ptrdiff_t fewest = PTRDIFF_MAX;
    for (double offset = width / 2 + 10; offset <= length - width / 2 - 10; offset += 8) {
      ptrdiff_t covered = 0;
      for (const Rect& box : boxes_at(offset))
        covered += std::count_if(circles_.begin(), circles_.end(),
                                 [&](const Rect& circle) { return circle.Overlaps(box); });
      if (covered >= fewest) continue;
      fewest = covered;
      best = offset;
    }
    for (const Rect& box : boxes_at(best)) obstacles_.push_back(box);
    const double mx = x1 + std::cos(angle) * best + std::sin(angle) * 6;
    const double my = y1 + std::sin(angle) * best - std::cos(angle) * 6;
    return Text(mx, my,
                "class=\"dim\" text-anchor=\"middle\" transform=\"rotate(" +
                    Number(angle * 57.29578) + " " + Number(mx) + " " + Number(my) + ")\"",
                memory);
  }

  // Too near each other for two texts.
  bool Close(size_t p, size_t q) const {
    return std::abs(y_.At(limits_.operations[p].best) - y_.At(limits_.operations[q].best)) < 16;
  }

  static double Radius(const Point& p) {
    return std::max(kSmallestRadius, kLargestRadius * std::sqrt(p.share_of_time));
  }

  std::string Points() {
    std::string svg;
    std::vector<LabelRequest> requests;
    std::vector<std::string> labels;
    for (const Point& p : points_) {
      const double radius = Radius(p);
      const double x = x_.At(p.intensity), y = y_.At(p.speed);
      // What the limits allow this kind of step, with its own mix of precisions.
      const double ideal = y_.At(p.kind->work.Operations() / p.kind->work.ideal_seconds);
      const std::string css = std::to_string(p.precision);
      if (ideal < y) {
        svg += Line(x, y, x, ideal, "l" + css, "stroke-dasharray=\"2 3\"");
        lines_.push_back({x - 2, ideal, x + 2, y});
      }
      svg += Line(x - 5, ideal, x + 5, ideal, "l" + css);
      svg += "<circle class=\"c" + css + "\" cx=\"" + Number(x) + "\" cy=\"" + Number(y) +
             "\" r=\"" + Number(radius) + "\"/>\n";
      obstacles_.push_back({x - 6, ideal - 3, x + 6, ideal + 3});
      labels.push_back(Cut(p.kind->name, kMaxLabel) + " " + Percent(p.kind->work.Share()));
      requests.push_back({x, y, radius, TextWidth(labels.back()), kLabelHeight});
    }
    const auto places = PlaceLabels(requests, area_, obstacles_, lines_);
    for (size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) continue;
      const Rect& r = *places[i];
      const LabelRequest& c = requests[i];
      // From the label's nearest point to the circle, when they are apart.
      const double nx = std::clamp(c.x, r.left, r.right), ny = std::clamp(c.y, r.top, r.bottom);
      const double distance = std::hypot(nx - c.x, ny - c.y);
      if (NeedsLeader(r, c))
        svg += Line(nx, ny, c.x + (nx - c.x) * c.radius / distance,
                    c.y + (ny - c.y) * c.radius / distance, "lead");
      // Centred: the estimated width is on the wide side.
      svg += Text((r.left + r.right) / 2, r.bottom - 3.5, "class=\"name\" text-anchor=\"middle\"",
                  labels[i]);
    }
    return svg;
  }

  const Limits& limits_;
  const ModelReport& model_;
  const Stage& stage_;
  const double left_, top_;
  std::vector<Point> points_;
  std::string others_;
  Axis x_, y_;
  Rect area_;
  std::vector<Rect> obstacles_, lines_, circles_;
};

}  // namespace

std::string XmlText(const std::string& text) { return EscapeXml(ReplaceInvalidUtf8(text)); }

std::string DrawRoofline(const Report& report) {
  std::vector<std::pair<const ModelReport*, const Stage*>> panels;
  for (const ModelReport& model : report.models)
    for (const Stage& stage : model.stages) panels.emplace_back(&model, &stage);
  const double width = 2 * kPanelWidth + 2 * kMargin;
  const size_t rows = (panels.size() + 1) / 2;
  const double height = kHeader + static_cast<double>(rows) * kPanelHeight + kMargin;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rl\" viewBox=\"0 0 " +
                    Number(width) + " " + Number(height) + "\" role=\"img\">\n<title>Roofline of " +
                    XmlText(report.machine.cpu) + "</title>\n" + kStyle +
                    "<rect class=\"bg\" width=\"" + Number(width) + "\" height=\"" +
                    Number(height) + "\"/>\n";
  svg += Text(kMargin + kLeft, 38, "class=\"h1\"", "Roofline: " + MachineLine(report.machine));
  svg += Text(kMargin + kLeft, 60, "class=\"dim\"",
              "A circle is a kind of step: its area is its share of the time, its colour the "
              "precision that most of its work is in. The dash above it is the speed that the "
              "limits allow it;");
  svg +=
      Text(kMargin + kLeft, 77, "class=\"dim\"",
           "the percentage is how much of that it reaches. Above 100 %: data came from the cache "
           "(dashed slope, " +
               Digits(report.limits.cache_read.best / 1e9) + " GB/s), not from memory.");
  for (size_t i = 0; i < panels.size(); ++i) {
    const size_t column = i % 2, row = i / 2;
    Panel panel(report.limits, *panels[i].first, *panels[i].second,
                kMargin + static_cast<double>(column) * kPanelWidth,
                kHeader + static_cast<double>(row) * kPanelHeight);
    svg += panel.Draw();
  }
  return svg + "</svg>\n";
}

}  // namespace tessera::bench
