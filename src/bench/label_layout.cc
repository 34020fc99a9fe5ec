#include "bench/label_layout.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera::bench {
namespace {

constexpr double kGap = 4;  // between a circle and its label
constexpr int kDirections = 16, kNearRings = 8, kRings = 24;
constexpr double kRingStep = 14;

bool MeetsCircle(const Rect& r, const LabelRequest& c) {
  const double dx = c.x - std::clamp(c.x, r.left, r.right);
  const double dy = c.y - std::clamp(c.y, r.top, r.bottom);
  return dx * dx + dy * dy < c.radius * c.radius;
}

// The label's place in direction `angle`, its nearest point `distance` from the centre.
Rect PlaceAt(const LabelRequest& label, double angle, double distance) {
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double x = label.x + cosine * distance, y = label.y + sine * distance;
  // Beside the circle the label is centred in height, above and below it in width.
  const double left = x + (cosine - 1) / 2 * label.width;
  const double top = y + (sine - 1) / 2 * label.height;
  return {left, top, left + label.width, top + label.height};
}

bool MeetsAny(const Rect& r, const std::vector<Rect>& others) {
  return std::any_of(others.begin(), others.end(), [&](const Rect& o) { return r.Overlaps(o); });
}

}  // namespace

std::vector<std::optional<Rect>> PlaceLabels(const std::vector<LabelRequest>& labels,
                                             const Rect& area, std::vector<Rect> obstacles,
                                             const std::vector<Rect>& lines) {
  constexpr double kTurn = 6.283185307179586;
  std::vector<std::optional<Rect>> places;
  for (const LabelRequest& label : labels) {
    const auto find = [&](int rings, bool cross_lines) -> std::optional<Rect> {
      for (int ring = 0; ring < rings; ++ring) {
        for (int i = 0; i < kDirections; ++i) {
          // To the right first, then to both sides of it in turn.
          const int step = (i % 2 == 0 ? 1 : -1) * ((i + 1) / 2);
          const Rect r =
              PlaceAt(label, kTurn * step / kDirections, label.radius + kGap + ring * kRingStep);
          if (r.Inside(area) && !MeetsAny(r, obstacles) && (cross_lines || !MeetsAny(r, lines)) &&
              std::none_of(labels.begin(), labels.end(),
                           [&](const LabelRequest& c) { return MeetsCircle(r, c); }))
            return r;
        }
      }
      return std::nullopt;
    };
    std::optional<Rect> place = find(kNearRings, false);
    if (!place) place = find(kRings, true);
    if (place) obstacles.push_back(*place);
    places.push_back(place);
  }
  return places;
}

}  // namespace tessera::bench
