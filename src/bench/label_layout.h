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
// `obstacles` and of the labels before it, and of `lines` too where such a place is near; nothing
// where there is none.
std::vector<std::optional<Rect>> PlaceLabels(const std::vector<LabelRequest>& labels,
                                             const Rect& area, std::vector<Rect> obstacles,
                                             const std::vector<Rect>& lines);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_LABEL_LAYOUT_H_
