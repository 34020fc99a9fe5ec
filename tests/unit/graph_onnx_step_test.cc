// What the step form keeps on the device, what it leaves to the host, and what it has no room for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "graph/onnx/export.h"
#include "graph/onnx/step.h"
#include "graph/passes/specialize_dims.h"
#include "tests/unit/fixed_samples.h"
#include "tests/unit/onnx_ports.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

DimBindings SizesOf(const Graph& graph, int64_t tokens) {
  DimBindings sizes, all = fixed_test::UnitSizes();
  all["tokens"] = tokens;
  all["sequences"] = 1;
  for (const std::string& symbol : graph.Symbols()) sizes[symbol] = all.at(symbol);
  return sizes;
}

Graph Bound(Graph graph, int64_t tokens = 1) {
  EXPECT_TRUE(SpecializeDims(&graph, SizesOf(graph, tokens)).ok());
  return graph;
}

std::string Refusal(GraphBuilder& builder) {
  auto graph = builder.Build();
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  const auto form = MakeStepForm(*graph);
  EXPECT_EQ(form.status().code(), StatusCode::kUnimplemented);
  return form.status().message();
}

class StepExport : public ::testing::Test {
 protected:
  ~StepExport() override { std::filesystem::remove_all(folder_); }
  fixed_test::OnnxPorts Export(const Graph& graph, int64_t tokens) {
    std::filesystem::create_directories(folder_);
    const std::string path = folder_ + "/model.onnx";
    const Status status = ExportOnnx(
        graph, path, {.bind = SizesOf(graph, tokens), .states = OnnxStates::kStep, .flush = false});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return fixed_test::ReadPorts(path);
  }
  const std::string folder_ = TempPath("step");
};

// No index, no condition, no shape that is computed: compilers of NPUs stumble over these.
TEST_F(StepExport, UsesPlainOpsAlone) {
  std::set<std::string> ops;
  for (const auto& [graph, tokens] :
       {std::pair(fixed_test::StepDecoder(), 1), std::pair(fixed_test::CrossKv(), 1),
        std::pair(fixed_test::WholeEncoder(), 1), std::pair(fixed_test::TextEncoder(), 32)}) {
    for (const auto& [name, op] : Export(graph, tokens).nodes) {
      ops.insert(op);
      const std::string scope = name.substr(0, name.rfind('/'));
      EXPECT_TRUE(std::ranges::any_of(graph.nodes(), [&](const Node& node) {
        return node.name == scope;
      })) << name;
    }
  }
  EXPECT_THAT(
      ops, ElementsAre("Add", "Concat", "Conv", "Div", "Erf", "Gemm", "LayerNormalization",
                       "MatMul", "Mul", "ReduceSum", "Reshape", "Slice", "Softmax", "Transpose"));
}

TEST_F(StepExport, NothingMovesThePast) {
  const Graph graph = fixed_test::StepDecoder();
  for (const auto& [name, op] : Export(graph, 1).nodes) {
    EXPECT_NE(op, "Transpose") << name;
    EXPECT_NE(op, "Reshape") << name;
  }
}

TEST(StepForm, LeavesIndicesToTheHost) {
  const Graph decoder = Bound(fixed_test::StepDecoder());
  const auto form = MakeStepForm(decoder);
  ASSERT_TRUE(form.ok()) << form.status().ToString();
  EXPECT_THAT(form->inputs, IsEmpty());
  EXPECT_EQ(form->lookups.size(), 2u);
  EXPECT_EQ(form->masks.size(), 2u);
  ASSERT_EQ(form->pasts.size(), 6u);
  EXPECT_EQ(form->new_rows.size(), 4u);
  const StepForm::Past& own = *form->FindPast(decoder.FindValue("self_key.0"));
  EXPECT_TRUE(own.own_row);
  EXPECT_EQ(own.rows, fixed_test::kHistory - 1);
  const StepForm::Past& cross = *form->FindPast(decoder.FindValue("cross_key"));
  EXPECT_FALSE(cross.own_row);
  EXPECT_EQ(cross.rows, fixed_test::kPositions);
  EXPECT_EQ(form->FindMask(cross.length, 4, false), nullptr);
  EXPECT_EQ(form->FindPast(decoder.FindValue("embed")), nullptr);

  const Graph text = Bound(fixed_test::TextEncoder(), 16);
  const auto texts = MakeStepForm(text);
  ASSERT_TRUE(texts.ok());
  ASSERT_EQ(texts->masks.size(), 1u);
  EXPECT_EQ(texts->masks[0].name, "offsets_mask");
  EXPECT_EQ(texts->masks[0].size, 16);
}

TEST(StepForm, RefusesWhatItHasNoRoomFor) {
  const Graph decoder = fixed_test::StepDecoder();
  EXPECT_THAT(MakeStepForm(decoder).status().message(), HasSubstr("needs every size"));
  EXPECT_THAT(MakeStepForm(Bound(decoder, 2)).status().message(),
              HasSubstr("takes one token a run, found 2"));
  {
    GraphBuilder b("lengths");
    const ValueId x = b.Input("x", DType::kF32, {1, 3, 4});
    b.Output("y", b.Attention("a", x, x, x, b.Input("n", DType::kI32, {1}), {2, 1.0f, false}));
    EXPECT_THAT(Refusal(b), HasSubstr("no Attention that hides keys"));
  }
  {
    GraphBuilder b("causal");
    const ValueId x = b.Input("x", DType::kF32, {1, 3, 4});
    b.Output("y", b.Attention("a", x, x, x, kNoValue, {2, 1.0f, true}));
    EXPECT_THAT(Refusal(b), HasSubstr("no Attention that hides keys"));
  }
  {
    GraphBuilder b("state_read");
    const ValueId state = b.State("s", DType::kF32, {2, 3, 4});
    b.Output("y", b.Gelu("gelu", state));
    EXPECT_THAT(Refusal(b), HasSubstr("reads states by CachedAttention alone"));
  }
  {
    GraphBuilder b("state_output");
    b.Output("y", b.State("s", DType::kF32, {2, 3, 4}));
    EXPECT_THAT(Refusal(b), HasSubstr("reads states by CachedAttention alone"));
  }
  {
    GraphBuilder b("state_update");
    const ValueId state = b.State("s", DType::kF32, {2, 3, 4});
    b.UpdateState(state, state);
    EXPECT_THAT(Refusal(b), HasSubstr("updates a state by one CacheWrite"));
  }
  {
    GraphBuilder b("short");
    const ValueId keys = b.State("k", DType::kF32, {2, 1, 4});
    const ValueId x = b.Input("x", DType::kF32, {1, 4});
    const ValueId id = b.Input("id", DType::kI32, {1});
    const ValueId written = b.CacheWrite("write", keys, x, id, id);
    b.UpdateState(keys, written);
    b.Output("y", b.CachedAttention("a", x, written, written, id, id, {2, 1.0f, false}));
    EXPECT_THAT(Refusal(b), HasSubstr("needs room for a past"));
  }
  {
    GraphBuilder b("two_pasts");
    const ValueId keys = b.State("k", DType::kF32, {2, 3, 4});
    const ValueId x = b.Input("x", DType::kF32, {1, 4});
    const ValueId one = b.Input("one", DType::kI32, {1}), two = b.Input("two", DType::kI32, {1});
    b.Output("y", b.CachedAttention("a", x, keys, keys, one, two, {2, 1.0f, false}));
    b.Output("z", b.CachedAttention("b", x, keys, keys, two, one, {2, 1.0f, false}));
    EXPECT_THAT(Refusal(b), HasSubstr("'b': the step form shows one past of a state"));
  }
}

}  // namespace
}  // namespace tessera
