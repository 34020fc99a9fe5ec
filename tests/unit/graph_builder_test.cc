#include "graph/builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/passes/editor.h"
#include "graph/verify.h"
#include "tests/unit/graph_samples.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string BuildError(GraphBuilder& builder) {
  auto graph = builder.Build();
  return graph.ok() ? "ok" : graph.status().message();
}

TEST(GraphBuilder, KeepsTheFirstError) {
  GraphBuilder b("g");
  const ValueId x = b.Input("x", DType::kF32, {2, 3});
  const ValueId w = b.Constant("w", Tensor::Zeros(DType::kF32, {4, 5}));
  const ValueId y = b.Linear("y", x, w);
  EXPECT_EQ(y, kNoValue);
  EXPECT_EQ(b.Gelu("z", y), kNoValue);
  EXPECT_EQ(b.Input("x", DType::kF32, {1}), kNoValue);
  b.Output("z", y);
  EXPECT_THAT(BuildError(b), HasSubstr("graph 'g': node 'y': Linear: weight: expected [out, 3]"));
}

TEST(GraphBuilder, RefusesNames) {
  GraphBuilder twice("g");
  twice.Input("x", DType::kF32, {2});
  twice.State("x", DType::kF32, {2});
  EXPECT_THAT(BuildError(twice), HasSubstr("expected a new name for a value, found 'x'"));
  GraphBuilder empty("g");
  empty.Input("", DType::kF32, {2});
  EXPECT_THAT(BuildError(empty), HasSubstr("found ''"));
  GraphBuilder outputs("g");
  const ValueId x = outputs.Input("x", DType::kF32, {2});
  outputs.Output("y", x);
  outputs.Output("y", x);
  EXPECT_THAT(BuildError(outputs), HasSubstr("output name 'y' is empty or used twice"));
}

TEST(GraphBuilder, RefusesBadIdsStatesAndDims) {
  GraphBuilder id("g");
  id.Gelu("y", 7);
  EXPECT_THAT(BuildError(id), HasSubstr("node 'y' (Gelu): input id 7 names no value"));
  GraphBuilder output("g");
  output.Output("y", 3);
  EXPECT_THAT(BuildError(output), HasSubstr("output 'y' names a value that is not produced"));
  GraphBuilder nothing("g");
  nothing.Input("x", DType::kF32, {2});
  EXPECT_THAT(BuildError(nothing), HasSubstr("expected an output or a state update, found none"));
  GraphBuilder state("g");
  const ValueId s = state.State("s", DType::kF32, {2}), x = state.Input("x", DType::kF32, {3});
  state.UpdateState(s, x);
  EXPECT_THAT(BuildError(state),
              HasSubstr("state 's': expected an update of f32[2], found 'x' f32[3]"));
  GraphBuilder again("g");
  const ValueId t = again.State("t", DType::kF32, {2});
  again.UpdateState(t, t);
  again.UpdateState(t, t);
  EXPECT_THAT(BuildError(again), HasSubstr("state 't' is updated twice"));
  GraphBuilder no_state("g");
  const ValueId input = no_state.Input("x", DType::kF32, {2});
  no_state.UpdateState(input, input);
  EXPECT_THAT(BuildError(no_state), HasSubstr("which is not a state"));
  GraphBuilder dims("g");
  dims.Output("y", dims.Input("x", DType::kF32, {-1}));
  EXPECT_THAT(BuildError(dims), HasSubstr("dimension '-1' is out of range"));
  GraphBuilder zero("g");
  zero.Output("y", zero.Input("x", DType::kF32, {Dim("n", 0)}));
  EXPECT_THAT(BuildError(zero), HasSubstr("is out of range"));
  GraphBuilder null("g");
  null.Constant("c", View{nullptr, DType::kF32, {2}});
  EXPECT_THAT(BuildError(null), HasSubstr("constant 'c': expected data, found a null pointer"));
}

TEST(GraphBuilder, IsEmptyAfterBuild) {
  GraphBuilder b("g");
  b.Output("y", b.Gelu("gelu", b.Input("x", DType::kF32, {2})));
  ASSERT_EQ(BuildError(b), "ok");
  b.Output("y", b.Gelu("gelu", b.Input("x", DType::kF32, {3})));
  EXPECT_EQ(BuildError(b), "ok");
}

TEST(Graph, FindsValuesAndSymbols) {
  const samples::Sample sample = samples::Decoder({}, 1);
  const Graph& graph = sample.graph;
  EXPECT_THAT(graph.Symbols(), ElementsAre("positions", "tokens"));
  EXPECT_EQ(graph.value(graph.FindValue("attention")).kind, ValueKind::kNode);
  EXPECT_EQ(graph.FindValue("absent"), kNoValue);
}

TEST(Graph, VerifyFindsABrokenShape) {
  samples::Sample sample = samples::Encoder({}, 1);
  EXPECT_TRUE(VerifyGraph(sample.graph).ok());
  GraphEditor(&sample.graph).SetDims(sample.graph.FindValue("gelu1"), {1, 2, 3});
  EXPECT_THAT(VerifyGraph(sample.graph).message(),
              HasSubstr("Gelu node 'gelu1' (1): the rule gives"));
}

TEST(Cost, CountsFlopsAndBytes) {
  GraphBuilder b("g");
  const ValueId x = b.Input("x", DType::kF32, {Dim("n"), 8, 4});
  const ValueId w = b.Constant("w", Tensor::Zeros(DType::kF16, {6, 4}));
  const ValueId bias = b.Constant("bias", Tensor::Zeros(DType::kF32, {6}));
  const ValueId y = b.Linear("y", x, w, bias);
  const ValueId c = b.Constant("c", Tensor::Zeros(DType::kF32, {5, 6, 3}));
  const ValueId z = b.Conv1d("z", y, c, kNoValue, {1, 1});
  b.Output("z", z);
  b.Output("a", b.Attention("a", y, y, y, kNoValue, {2, 1.0f, false}));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  auto cost = EstimateCost(*graph, {{"n", 3}});
  ASSERT_TRUE(cost.ok());
  const double linear = 3 * 8 * 6 * (2 * 4 + 1), conv = 3 * 8 * 5 * (2 * 6 * 3);
  const double attention = 3 * (2 * 2 * 8 * 8 * 6 + 5 * 2 * 8 * 8);
  EXPECT_EQ(cost->flops, linear + conv + attention);
  EXPECT_EQ(cost->weight_bytes, 6 * 4 * 2 + 6 * 4 + 5 * 6 * 3 * 4);
  EXPECT_EQ(cost->nodes, 3);
  EXPECT_THAT(EstimateCost(*graph, {}).status().message(), HasSubstr("node 'y'"));
}

}  // namespace
}  // namespace tessera
