#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/interpreter.h"
#include "graph/passes/constant_fold.h"
#include "graph/passes/dead_code.h"
#include "graph/passes/editor.h"
#include "graph/passes/pass_manager.h"
#include "graph/passes/specialize_dims.h"
#include "graph/verify.h"
#include "tests/unit/graph_samples.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// Outputs and new states of a run, bit for bit.
std::map<std::string, std::string> RunToBytes(const Graph& graph, const samples::Sample& sample) {
  auto states = sample.CopyStates();
  auto outputs = Interpret(graph, sample.InputViews(), &states);
  EXPECT_TRUE(outputs.ok()) << outputs.status().ToString();
  std::map<std::string, std::string> bytes;
  if (!outputs.ok()) return bytes;
  for (const auto* tensors : {&*outputs, &states}) {
    for (const auto& [name, tensor] : *tensors) {
      const View view = tensor.ViewOf();
      bytes[name] = std::string(static_cast<const char*>(view.data), view.bytes());
    }
  }
  return bytes;
}

std::vector<std::string> NodeNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.push_back(node.name);
  return names;
}

// x + gelu(table[ids]), where the right side is constant, and a branch that nothing reads.
Graph Foldable() {
  samples::Random random(3);
  GraphBuilder b("foldable");
  const ValueId x = b.Input("x", DType::kF32, {Dim("n"), 4});
  const ValueId table = b.Constant("table", random.Floats({5, 4}, DType::kF16));
  const ValueId row = b.Gather("row", table, b.Constant("ids", random.Ints({1}, 0, 5)));
  const ValueId bump = b.Gelu("bump", row);
  b.Gelu("dead_end", b.Add("dead", x, b.Constant("dead_weight", random.Floats({4}))));
  b.Output("y", b.Add("sum", x, bump));
  auto graph = b.Build();
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  return std::move(graph).value();
}

TEST(Passes, KeepResultsOfEverySample) {
  for (const samples::Sample& sample : {samples::Encoder({}, 5), samples::Decoder({}, 6)}) {
    auto changed =
        PassManager::Default()
            .Add("Bind", [&](Graph* graph) { return SpecializeDims(graph, sample.sizes); })
            .Run(sample.graph);
    ASSERT_TRUE(changed.ok()) << changed.status().ToString();
    EXPECT_TRUE(changed->Symbols().empty());
    EXPECT_EQ(RunToBytes(*changed, sample), RunToBytes(sample.graph, sample));
  }
}

TEST(Passes, FoldAndEliminate) {
  samples::Sample sample;
  sample.graph = Foldable();
  sample.inputs.emplace("x", samples::Random(4).Floats({3, 4}));
  const auto before = RunToBytes(sample.graph, sample);

  Graph folded = sample.graph;
  ASSERT_TRUE(FoldConstants(&folded).ok());
  EXPECT_THAT(NodeNames(folded), UnorderedElementsAre("dead", "dead_end", "sum"));
  EXPECT_EQ(folded.FindValue("table"), kNoValue);
  EXPECT_TRUE(VerifyGraph(folded).ok());
  ASSERT_TRUE(EliminateDeadCode(&folded).ok());
  EXPECT_THAT(NodeNames(folded), UnorderedElementsAre("sum"));
  EXPECT_EQ(folded.FindValue("dead_weight"), kNoValue);
  EXPECT_EQ(folded.values().size(), 3u);
  EXPECT_TRUE(VerifyGraph(folded).ok());
  EXPECT_EQ(RunToBytes(folded, sample), before);

  // The original and its constants are untouched by the copy's changes.
  EXPECT_EQ(RunToBytes(sample.graph, sample), before);

  Graph limited = sample.graph;
  ASSERT_TRUE(FoldConstants(&limited, {1e8, 8}).ok());
  EXPECT_EQ(limited.nodes().size(), sample.graph.nodes().size());
}

TEST(Passes, FoldingReportsBadConstants) {
  GraphBuilder b("bad");
  Tensor ids(DType::kI32, {1});
  ids.As<int32_t>()[0] = 9;
  b.Output("y", b.Gather("row", b.Constant("table", Tensor::Zeros(DType::kF32, {2, 2})),
                         b.Constant("ids", std::move(ids))));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  EXPECT_THAT(PassManager::Default().Run(*std::move(graph)).status().message(),
              HasSubstr("pass FoldConstants: folding node 'row': ids[0]"));
}

TEST(Passes, InterfaceStays) {
  GraphBuilder b("g");
  const ValueId x = b.Input("x", DType::kF32, {2});
  b.Input("unread", DType::kF32, {2});
  b.State("unread_state", DType::kF32, {2});
  b.Gelu("dead", x);
  b.Output("y", x);
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(EliminateDeadCode(&*graph).ok());
  EXPECT_TRUE(graph->nodes().empty());
  EXPECT_EQ(graph->inputs().size(), 2u);
  EXPECT_EQ(graph->states().size(), 1u);
  EXPECT_TRUE(VerifyGraph(*graph).ok());
}

TEST(Passes, SpecializeRefusesUnknownSymbols) {
  samples::Sample sample = samples::Encoder({}, 1);
  EXPECT_THAT(SpecializeDims(&sample.graph, {{"frames", 3}}).message(),
              HasSubstr("has no dimension 'frames'; expected one of 'batch', 'positions'"));
  EXPECT_FALSE(SpecializeDims(&sample.graph, {{"positions", -3}}).ok());
  EXPECT_EQ(sample.graph.Symbols().size(), 2u);
  ASSERT_TRUE(SpecializeDims(&sample.graph, {{"positions", 7}}).ok());
  EXPECT_EQ(DimsToString(sample.graph.value(sample.graph.FindValue("conv1")).dims),
            "[batch, 14, 8]");
}

TEST(Passes, ManagerCatchesAPassThatBreaksTheGraph) {
  PassManager manager;
  manager.Add("Breaker", [](Graph* graph) {
    GraphEditor(graph).SetDims(graph->FindValue("sum"), {1});
    return OkStatus();
  });
  const auto result = manager.Run(Foldable());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kInternal);
  EXPECT_THAT(result.status().message(), HasSubstr("pass Breaker broke the graph"));
}

}  // namespace
}  // namespace tessera
