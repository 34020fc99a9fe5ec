#include "cli/nearest.h"

#include <algorithm>
#include <vector>

namespace tessera::cli {

int EditDistance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  // Rows i-2, i-1 and i of the dynamic programme (the swap looks two rows back).
  std::vector<int> before(width), previous(width), current(width);
  for (size_t j = 0; j < width; ++j) previous[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replace = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  int best_distance = 0;
  for (const std::string_view candidate : candidates) {
    const int distance = EditDistance(word, candidate);
    const int limit =
        std::max<int>(2, static_cast<int>(std::max(word.size(), candidate.size()) / 3));
    if (distance > limit || (!best.empty() && distance >= best_distance)) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace tessera::cli
