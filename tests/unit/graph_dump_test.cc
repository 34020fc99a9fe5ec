#include "graph/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "graph/svg.h"
#include "graph/svg_layout.h"
#include "tests/unit/graph_samples.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadGolden(const std::string& name) {
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/golden/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Dump, MatchesGolden) {
  const std::string text =
      DumpGraph(samples::Encoder({true, true, true, DType::kF16, 8, 1}, 1).graph) +
      DumpGraph(samples::Decoder({}, 1).graph);
  EXPECT_EQ(text, ReadGolden("graph_dump.txt"));
}

TEST(Dump, FormatsAmounts) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999.4), "999 B");
  EXPECT_EQ(FormatBytes(999.6), "1 kB");
  EXPECT_EQ(FormatBytes(145.3e6), "145 MB");
  EXPECT_EQ(FormatFlops(1.234e10), "12.3 GFLOP");
  EXPECT_EQ(FormatFlops(5e16), "5e+04 TFLOP");
}

TEST(Svg, DrawsEveryNodeAndItsCost) {
  const samples::Sample sample = samples::Encoder({}, 1);
  auto svg = DrawGraph(sample.graph, sample.sizes);
  ASSERT_TRUE(svg.ok()) << svg.status().ToString();
  for (const Node& node : sample.graph.nodes()) EXPECT_THAT(*svg, HasSubstr(">" + node.name + "<"));
  EXPECT_THAT(*svg, HasSubstr("FLOP at batch = 2, positions = 6"));
  auto plain = DrawGraph(sample.graph);
  ASSERT_TRUE(plain.ok());
  EXPECT_THAT(*plain, Not(HasSubstr("FLOP")));
  EXPECT_THAT(DrawGraph(sample.graph, {{"batch", 1}}).status().message(),
              HasSubstr("'positions' is not bound"));
}

TEST(Svg, EscapesNames) {
  GraphBuilder b("<a & \"b\">");
  b.Output("y\x01",
           b.Gelu("</text>", b.Input(std::string(43, 'x') + "\xC3\xA4xyz", DType::kF32, {2})));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  auto svg = DrawGraph(*graph);
  ASSERT_TRUE(svg.ok());
  EXPECT_THAT(*svg, HasSubstr("&lt;a &amp; &quot;b&quot;&gt;"));
  EXPECT_THAT(*svg, HasSubstr(">&lt;/text&gt;<"));
  EXPECT_THAT(*svg, HasSubstr("output y?"));
  EXPECT_THAT(*svg, Not(HasSubstr("\xC3\xE2")));  // no character is cut in two
}

TEST(SvgLayout, SourcesAreAboveAndNothingOverlaps) {
  std::mt19937 random(8);
  std::vector<LayoutBox> boxes(60);
  for (size_t i = 0; i < boxes.size(); ++i) {
    boxes[i].width = 40 + static_cast<double>(random() % 100);
    for (size_t s = 0; s < i; ++s) {
      if (random() % i < 2) boxes[i].sources.push_back(static_cast<int>(s));
    }
  }
  auto layout = LayOut(boxes);
  ASSERT_TRUE(layout.ok());
  size_t edges = 0;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const LayoutBox& box = layout->boxes[i];
    EXPECT_GE(box.x - box.width / 2, -1e-6);
    EXPECT_LE(box.x + box.width / 2, layout->width + 1e-6);
    EXPECT_LT(box.layer, layout->layers);
    edges += box.sources.size();
    for (int source : box.sources) EXPECT_LT(layout->boxes[source].layer, box.layer);
    for (size_t j = 0; j < i; ++j) {
      const LayoutBox& other = layout->boxes[j];
      if (other.layer == box.layer) {
        EXPECT_GE(std::abs(other.x - box.x), (other.width + box.width) / 2);
      }
    }
  }
  EXPECT_EQ(layout->edges.size(), edges);
  for (const LayoutEdge& edge : layout->edges) {
    for (const LayoutPoint& bend : edge.bends) {
      for (const LayoutBox& box : layout->boxes) {
        if (box.layer == bend.layer) {
          EXPECT_GE(std::abs(bend.x - box.x), box.width / 2) << "a line runs through a box";
        }
      }
    }
  }
}

TEST(SvgLayout, RefusesTooMany) {
  EXPECT_EQ(LayOut(std::vector<LayoutBox>(100001)).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(LayOut({}).ok());
}

}  // namespace
}  // namespace tessera
