#include "bench/label_layout.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera::bench {
namespace {

constexpr double kGap = 4;  // between a circle and its label
constexpr int kDirections = 16;
constexpr double kRingStep = 14;  // pixels

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

// Points of the line from a label to its circle, none when they are close enough to go without.
std::vector<Rect> LeaderOf(const Rect& r, const LabelRequest& c) {
  std::vector<Rect> points;
  const double x = std::clamp(c.x, r.left, r.right), y = std::clamp(c.y, r.top, r.bottom);
  const double length = std::hypot(x - c.x, y - c.y);
  if (!NeedsLeader(r, c)) return points;
  for (double at = c.radius; at < length; at += 3) {
    const double px = c.x + (x - c.x) * at / length, py = c.y + (y - c.y) * at / length;
    points.push_back({px - 1, py - 1, px + 1, py + 1});
  }
  return points;
}

// What a place may do, from the first try to the last.
struct Rules {
  int rings;
  bool cross_lines, lead_anywhere;
};
constexpr std::array<Rules, 3> kTries = {{{8, false, false}, {24, true, false}, {24, true, true}}};

}  // namespace

bool NeedsLeader(const Rect& place, const LabelRequest& label) {
  const double x = std::clamp(label.x, place.left, place.right);
  const double y = std::clamp(label.y, place.top, place.bottom);
  return std::hypot(x - label.x, y - label.y) > label.radius + kGap + 5;
}

std::vector<std::optional<Rect>> PlaceLabels(const std::vector<LabelRequest>& labels,
                                             const Rect& area, std::vector<Rect> obstacles,
                                             std::vector<Rect> lines) {
  constexpr double kTurn = 6.283185307179586;
  std::vector<std::optional<Rect>> places;
  std::vector<Rect> placed;
  for (const LabelRequest& label : labels) {
    const auto allowed = [&](const Rect& r, const Rules& rules) {
      if (!r.Inside(area) || MeetsAny(r, obstacles) || (!rules.cross_lines && MeetsAny(r, lines)))
        return false;
      for (const LabelRequest& circle : labels)
        if (MeetsCircle(r, circle)) return false;
      if (rules.lead_anywhere) return true;
      for (const Rect& point : LeaderOf(r, label)) {
        if (MeetsAny(point, placed)) return false;
        for (const LabelRequest& circle : labels)
          if (&circle != &label && MeetsCircle(point, circle)) return false;
      }
      return true;
    };
    const auto find = [&](const Rules& rules) -> std::optional<Rect> {
      for (int ring = 0; ring < rules.rings; ++ring) {
        for (int i = 0; i < kDirections; ++i) {
          // To the right first, then to both sides of it in turn.
          const int step = (i % 2 == 0 ? 1 : -1) * ((i + 1) / 2);
          const Rect r =
              PlaceAt(label, kTurn * step / kDirections, label.radius + kGap + ring * kRingStep);
          if (allowed(r, rules)) return r;
        }
      }
      return std::nullopt;
    };
    std::optional<Rect> place;
    for (size_t i = 0; i < kTries.size() && !place; ++i) place = find(kTries[i]);
    if (place) {
      obstacles.push_back(*place);
      placed.push_back(*place);
      for (const Rect& point : LeaderOf(*place, label)) lines.push_back(point);
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace tessera::bench
