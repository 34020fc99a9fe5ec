#include "bench/label_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tessera::bench {
namespace {

constexpr Rect kArea{0, 0, 500, 300};

bool MeetsCircle(const Rect& r, const LabelRequest& c) {
  const double dx = c.x - std::clamp(c.x, r.left, r.right);
  const double dy = c.y - std::clamp(c.y, r.top, r.bottom);
  return dx * dx + dy * dy < c.radius * c.radius;
}

TEST(LabelLayout, ALabelGoesToTheRightOfItsCircle) {
  const auto places = PlaceLabels({{250, 150, 10, 100, 15}}, kArea, {}, {});
  ASSERT_TRUE(places[0].has_value());
  EXPECT_GT(places[0]->left, 260);
  EXPECT_LT(places[0]->left, 266);
  EXPECT_NEAR((places[0]->top + places[0]->bottom) / 2, 150, 1e-9);
}

TEST(LabelLayout, ClusteredLabelsCoverNeitherEachOtherNorAnythingElse) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> x(200, 260), y(120, 160), radius(3, 20), width(60, 160);
  const std::vector<Rect> obstacles = {{400, 20, 500, 40}, {0, 200, 120, 220}};
  for (int round = 0; round < 50; ++round) {
    std::vector<LabelRequest> labels;
    for (int i = 0; i < 8; ++i)
      labels.push_back({x(random), y(random), radius(random), width(random), 15});
    const auto places = PlaceLabels(labels, kArea, obstacles, {});
    for (size_t i = 0; i < labels.size(); ++i) {
      ASSERT_TRUE(places[i].has_value()) << "round " << round << ", label " << i;
      const Rect& r = *places[i];
      EXPECT_NEAR(r.right - r.left, labels[i].width, 1e-9);
      EXPECT_NEAR(r.bottom - r.top, 15, 1e-9);
      EXPECT_TRUE(r.Inside(kArea));
      for (const Rect& o : obstacles) EXPECT_FALSE(r.Overlaps(o));
      for (const LabelRequest& c : labels) EXPECT_FALSE(MeetsCircle(r, c));
      for (size_t j = 0; j < i; ++j) EXPECT_FALSE(r.Overlaps(*places[j]));
    }
  }
}

TEST(LabelLayout, LinesAreAvoidedWhereThatIsPossible) {
  const std::vector<LabelRequest> labels = {{250, 150, 5, 100, 15}};
  const std::vector<Rect> line = {{0, 149, 500, 151}};
  auto places = PlaceLabels(labels, kArea, {}, line);
  ASSERT_TRUE(places[0].has_value());
  EXPECT_FALSE(places[0]->Overlaps(line[0]));
  const std::vector<Rect> everywhere = {kArea};
  places = PlaceLabels(labels, kArea, {}, everywhere);
  ASSERT_TRUE(places[0].has_value());
}

TEST(LabelLayout, WithoutRoomThereIsNoLabel) {
  const auto places = PlaceLabels({{250, 150, 5, 600, 15}}, kArea, {}, {});
  EXPECT_FALSE(places[0].has_value());
}

}  // namespace
}  // namespace tessera::bench
