// Finds a place for each label of a drawing so that none covers another or a mark; internal to this
// folder.
#ifndef TESSERA_BENCH_LABEL_LAYOUT_H_
#define TESSERA_BENCH_LABEL_LAYOUT_H_

#include <optional>
#include <vector>

namespace tessera::bench {

struct Rect {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool Overlaps(const Rect& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool Inside(const Rect& outer) const {
    return left >= outer.left && right <= outer.right && top >= outer.top && bottom <= outer.bottom;
  }
};

// A label of this size that belongs to a circle around (x, y).
struct LabelRequest {
  double x = 0, y = 0, radius = 0;
  double width = 0, height = 0;
};

// For each label, in order, the nearest free place inside `area`, clear of all circles, of
// `obstacles` and of the labels before it; where such a place is near, clear of `lines` too, and
// with a line to its circle that crosses no label and no other circle. Nothing where there is no
// place.
std::vector<std::optional<Rect>> PlaceLabels(const std::vector<LabelRequest>& labels,
                                             const Rect& area, std::vector<Rect> obstacles,
                                             std::vector<Rect> lines);
// Whether a label is so far off that a line should lead to its circle.
bool NeedsLeader(const Rect& place, const LabelRequest& label);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_LABEL_LAYOUT_H_
