// Operations and bytes of a plan's steps against figures worked out by hand.
#include "providers/cpu/plan_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "graph/builder.h"
#include "kernels/attention.h"
#include "providers/cpu/provider.h"

namespace tessera::cpu {
namespace {

using kernels::Precision;
using testing::ElementsAre;

constexpr int64_t kWidth = 64, kHeads = 4, kHeadDim = 16;

Tensor Zeros(DType dtype, Shape shape) {
  Tensor t(dtype, std::move(shape));
  std::fill_n(static_cast<char*>(t.MutableViewOf().data), t.ViewOf().bytes(), '\0');
  return t;
}
Tensor Ids(const std::vector<int32_t>& ids, Shape shape = {}) {
  Tensor t(DType::kI32, shape.empty() ? Shape{static_cast<int64_t>(ids.size())} : shape);
  std::copy(ids.begin(), ids.end(), t.As<int32_t>());
  return t;
}

class Inputs {
 public:
  Inputs& Add(const std::string& name, Tensor tensor) {
    tensors_.push_back(std::move(tensor));
    names_.push_back(name);
    return *this;
  }
  std::vector<NamedView> Views() const {
    std::vector<NamedView> views;
    for (size_t i = 0; i < names_.size(); ++i) views.push_back({names_[i], tensors_[i].ViewOf()});
    return views;
  }

 private:
  std::vector<std::string> names_;
  std::vector<Tensor> tensors_;
};

class Builder {
 public:
  explicit Builder(const std::string& name) : b(name) {}
  ValueId Linear(const std::string& name, ValueId x, int64_t out, int64_t in) {
    return b.Linear(name, x, b.Constant(name + ".w", Zeros(DType::kF32, {out, in})));
  }
  ValueId Norm(const std::string& name, ValueId x) {
    return b.LayerNorm(name, x, b.Constant(name + ".g", Zeros(DType::kF32, {kWidth})),
                       b.Constant(name + ".b", Zeros(DType::kF32, {kWidth})));
  }
  GraphBuilder b;
};

// Compiles a graph and asks for the costs of a run with these inputs.
std::vector<StepCost> Costs(const Graph& graph, const CompileOptions& options,
                            const Inputs& inputs) {
  const CpuProvider provider(2);
  auto program = provider.Compile(graph, options);
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  const Graph* graphs[] = {&graph};
  auto states = provider.NewStateStore(graphs, options);
  EXPECT_TRUE(states.ok()) << states.status().ToString();
  const std::vector<NamedView> in = inputs.Views();
  auto costs = CostOfSteps(static_cast<const CpuProgram&>(**program).plan(), states->get(),
                           {.inputs = in, .outputs = {}});
  EXPECT_TRUE(costs.ok()) << costs.status().ToString();
  return std::move(costs).value();
}

Graph Mlp() {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("rows"), kWidth});
  const ValueId up = l.Linear("layers.7.up", l.Norm("norm", x), 256, kWidth);
  const ValueId down = l.Linear("layers.7.down", l.b.Gelu("gelu", up), kWidth, 256);
  l.b.Output("y", l.b.Add("add", x, down));
  return *l.b.Build();
}

CompileOptions Options(Precision precision) {
  CompileOptions o;
  o.precision = precision;
  o.max_dims = {{"rows", 500},  {"batch", 2},   {"positions", 100}, {"tokens", 16},  {"slots", 4},
                {"history", 8}, {"windows", 2}, {"steps", 10},      {"sequences", 4}};
  return o;
}

// 10 rows through 64 -> 256 -> 64: the hidden 256 columns stay in the scratch, x is read once
// although the residual needs it too.
TEST(PlanCost, ChainOfLinears) {
  const double operations = 2 * 10 * (64 * 256 + 256 * 64);
  const double arrays = 10 * 64 * 4 + 10 * 64 * 4;
  for (const auto& [precision, bytes] :
       {std::pair{Precision::kF32, 4.0}, {Precision::kBf16, 2.0}, {Precision::kInt8, 1.0}}) {
    const auto costs =
        Costs(Mlp(), Options(precision), Inputs().Add("x", Zeros(DType::kF32, {10, kWidth})));
    ASSERT_EQ(costs.size(), 1u);
    EXPECT_EQ(costs[0].kind, "up .. down");
    std::array<double, 3> expected{};
    expected[static_cast<size_t>(precision)] = operations;
    EXPECT_EQ(costs[0].operations, expected);
    EXPECT_EQ(costs[0].bytes, 2 * 64 * 256 * bytes + arrays);
  }
}

TEST(PlanCost, EachLayerCountsInItsOwnPrecision) {
  CompileOptions options = Options(Precision::kInt8);
  options.linear_precision = [](const std::string& node) {
    return node == "layers.7.up" ? Precision::kBf16 : Precision::kInt8;
  };
  const auto costs = Costs(Mlp(), options, Inputs().Add("x", Zeros(DType::kF32, {300, kWidth})));
  ASSERT_EQ(costs.size(), 1u);
  EXPECT_THAT(costs[0].operations, ElementsAre(0, 2.0 * 300 * 64 * 256, 2.0 * 300 * 64 * 256));
  EXPECT_EQ(costs[0].bytes, 64 * 256 * 2 + 64 * 256 * 1 + 2 * 300 * 64 * 4);
}

Graph SelfAttention(bool causal) {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("batch"), Dim("positions"), kWidth});
  const ValueId q = l.Linear("layers.0.query", x, kWidth, kWidth);
  const ValueId k = l.Linear("layers.0.key", x, kWidth, kWidth);
  const ValueId v = l.Linear("layers.0.value", x, kWidth, kWidth);
  const ValueId a = l.b.Attention("layers.0.attention", q, k, v, kNoValue,
                                  {.num_heads = kHeads, .scale = 0.25f, .causal = causal});
  l.b.Output("y", l.Linear("layers.0.out", a, kWidth, kWidth));
  return *l.b.Build();
}

TEST(PlanCost, Attention) {
  // 2 sequences of 50 positions.
  const auto costs = Costs(SelfAttention(false), Options(Precision::kBf16),
                           Inputs().Add("x", Zeros(DType::kF32, {2, 50, kWidth})));
  ASSERT_EQ(costs.size(), 3u);
  // Query, key and value are one product of 192 columns.
  EXPECT_EQ(costs[0].operations[1], 2.0 * 100 * 192 * 64);
  EXPECT_EQ(costs[0].bytes, 192 * 64 * 2 + 100 * 64 * 4 + 100 * 192 * 4);
  EXPECT_EQ(costs[1].kind, "attention");
  EXPECT_THAT(costs[1].operations, ElementsAre(0, 4.0 * 2 * 50 * 50 * 64, 0));
  EXPECT_EQ(costs[1].bytes, 100 * 4 * 64 * 4);
  EXPECT_EQ(costs[2].kind, "out");
}

TEST(PlanCost, CausalAttentionCountsVisibleKeysOnly) {
  const auto costs = Costs(SelfAttention(true), Options(Precision::kF32),
                           Inputs().Add("x", Zeros(DType::kF32, {1, 50, kWidth})));
  ASSERT_EQ(costs.size(), 3u);
  EXPECT_EQ(costs[1].operations[0], 4.0 * (50 * 51 / 2) * 64);
}

TEST(PlanCost, RaggedAttentionCountsPairsWithinSequences) {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("tokens"), kWidth});
  const ValueId offsets = l.b.Input("offsets", DType::kI32, {Dim("sequences", 1, 1)});
  l.b.Output(
      "y", l.b.RaggedAttention("ragged", x, x, x, offsets, {.num_heads = kHeads, .scale = 0.25f}));
  const auto costs =
      Costs(*l.b.Build(), Options(Precision::kBf16),
            Inputs().Add("x", Zeros(DType::kF32, {10, kWidth})).Add("offsets", Ids({0, 3, 9})));
  ASSERT_EQ(costs.size(), 1u);
  EXPECT_THAT(costs[0].operations, ElementsAre(0, 4.0 * (3 * 3 + 6 * 6) * 64, 0));
  EXPECT_EQ(costs[0].bytes, 2 * 10 * 64 * 4);  // the one input, and the output
}

// Histories through a table of slots, f32 caches of 8 positions in 4 slots.
TEST(PlanCost, CachedAttentionReadsASharedPastOnce) {
  Builder l("test");
  const Dim n("tokens");
  const ValueId x = l.b.Input("x", DType::kF32, {n, kWidth});
  const ValueId slot = l.b.Input("slot", DType::kI32, {n});
  const ValueId position = l.b.Input("position", DType::kI32, {n});
  const ValueId history = l.b.Input("history", DType::kI32, {n, Dim("history")});
  const ValueId length = l.b.Input("length", DType::kI32, {n});
  const ValueId keys = l.b.State("keys", DType::kF32, {Dim("slots"), 8, kWidth});
  const ValueId values = l.b.State("values", DType::kF32, {Dim("slots"), 8, kWidth});
  const ValueId nk = l.b.CacheWrite("kw", keys, x, slot, position);
  const ValueId nv = l.b.CacheWrite("vw", values, x, slot, position);
  l.b.UpdateState(keys, nk);
  l.b.UpdateState(values, nv);
  l.b.Output("y", l.b.CachedAttention("cached", x, nk, nv, history, length,
                                      {.num_heads = kHeads, .scale = 0.25f}));
  // Rows 0 and 1 share positions 0 and 1 in slot 0 and differ in position 2; row 2 is on its own.
  Inputs inputs;
  inputs.Add("x", Zeros(DType::kF32, {3, kWidth}));
  inputs.Add("slot", Ids({0, 1, 2}));
  inputs.Add("position", Ids({2, 2, 1}));
  inputs.Add("history", Ids({0, 0, 0, 0, 0, 1, 2, 2, 0}, {3, 3}));
  inputs.Add("length", Ids({3, 3, 2}));
  const Graph graph = *l.b.Build();
  for (const Precision precision : {Precision::kF32, Precision::kInt8}) {
    const auto costs = Costs(graph, Options(precision), inputs);
    ASSERT_EQ(costs.size(), 2u);
    const double element = precision == Precision::kF32 ? 4 : 2;  // the caches are bf16 in int8
    EXPECT_EQ(costs[0].Operations(), 0);
    EXPECT_EQ(costs[0].bytes, 3 * 64 * 4 + 2 * 3 * 64 * element);  // x read, two caches written
    EXPECT_EQ(costs[1].kind, "cached");
    EXPECT_THAT(costs[1].operations, ElementsAre(4.0 * (3 + 3 + 2) * 64, 0, 0));
    // Cells (0,0) (0,1) (0,2) (1,2) (2,0) (2,1): six rows of keys, six of values.
    EXPECT_EQ(costs[1].bytes, 2 * 6 * 64 * element + 2 * 3 * 64 * 4);
  }
}

// A window's keys and values in packed form, looked at by two of three tokens.
TEST(PlanCost, PackedCrossAttentionReadsAWindowOnce) {
  Builder l("test");
  const Dim n("tokens");
  const ValueId x = l.b.Input("x", DType::kF32, {n, kWidth});
  const ValueId window = l.b.Input("window", DType::kI32, {n});
  const ValueId length = l.b.Input("length", DType::kI32, {n});
  const Dims cache = {Dim("windows"), 90, kWidth};
  const ValueId keys = l.b.State("keys", DType::kF32, cache, {StateUse::kWholeKeys, kHeads});
  const ValueId values = l.b.State("values", DType::kF32, cache, {StateUse::kWholeValues, kHeads});
  l.b.Output("y", l.b.CachedAttention("cross", x, keys, values, window, length,
                                      {.num_heads = kHeads, .scale = 0.25f}));
  Inputs in;
  in.Add("x", Zeros(DType::kF32, {3, kWidth}));
  in.Add("window", Ids({1, 1, 0}));
  in.Add("length", Ids({90, 90, 70}));
  const auto costs = Costs(*l.b.Build(), Options(Precision::kInt8), in);
  ASSERT_EQ(costs.size(), 1u);
  EXPECT_THAT(costs[0].operations, ElementsAre(0, 0, 4.0 * (90 + 90 + 70) * 64));
  const auto bytes = [](int64_t length) {
    return static_cast<double>(kHeads *
                               kernels::PackedKeysValuesBytes(Precision::kInt8, kHeadDim, length));
  };
  EXPECT_EQ(costs[0].bytes, bytes(90) + bytes(70) + 2 * 3 * 64 * 4);
}

// The writer of such states, from 70 rows of 64 columns.
TEST(PlanCost, PackingCountsTheRowsAndTheirPackedForm) {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("positions"), kWidth});
  const ValueId slot = l.b.Input("slot", DType::kI32, {Dim("positions")});
  const ValueId position = l.b.Input("position", DType::kI32, {Dim("positions")});
  const ValueId keys =
      l.b.State("keys", DType::kF32, {Dim("windows"), 200, kWidth}, {StateUse::kWholeKeys, kHeads});
  l.b.UpdateState(
      keys, l.b.CacheWrite("write", keys, l.Linear("key", x, kWidth, kWidth), slot, position));
  std::vector<int32_t> zeros(70, 0), iota(70);
  std::iota(iota.begin(), iota.end(), 0);
  Inputs in;
  in.Add("x", Zeros(DType::kF32, {70, kWidth}));
  in.Add("slot", Ids(zeros));
  in.Add("position", Ids(iota));
  const auto costs = Costs(*l.b.Build(), Options(Precision::kBf16), in);
  ASSERT_EQ(costs.size(), 2u);
  EXPECT_EQ(costs[0].bytes, 64 * 64 * 2 + 2 * 70 * 64 * 4);
  EXPECT_EQ(costs[1].kind, "write");
  EXPECT_EQ(costs[1].Operations(), 0);
  EXPECT_EQ(costs[1].bytes,
            70 * 64 * 4 + static_cast<double>(
                              kHeads * kernels::PackedKeysBytes(Precision::kBf16, kHeadDim, 70)));
}

TEST(PlanCost, ConvolutionReadsItsInputNotItsWindows) {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("batch"), Dim("positions", 2), 20});
  l.b.Output("y", l.b.Conv1d("conv", x, l.b.Constant("w", Zeros(DType::kF32, {kWidth, 20, 3})),
                             kNoValue, {.stride = 2, .padding = 1}));
  const auto costs = Costs(*l.b.Build(), Options(Precision::kBf16),
                           Inputs().Add("x", Zeros(DType::kF32, {2, 100, 20})));
  ASSERT_EQ(costs.size(), 1u);
  EXPECT_EQ(costs[0].operations[1], 2.0 * (2 * 50) * 64 * (20 * 3));
  EXPECT_EQ(costs[0].bytes, 64 * 60 * 2 + 2 * 100 * 20 * 4 + 2 * 50 * 64 * 4);
}

TEST(PlanCost, LstmCountsItsRecurrentProductInF32) {
  Builder l("test");
  const ValueId x = l.b.Input("x", DType::kF32, {Dim("steps"), Dim("batch"), 24});
  const ValueId state = l.b.Input("state", DType::kF32, {2, Dim("batch"), 16});
  l.b.Output("y", l.b.Lstm("lstm", x, l.b.Constant("wi", Zeros(DType::kF32, {64, 24})),
                           l.b.Constant("wh", Zeros(DType::kF32, {64, 16})), kNoValue, state));
  const auto costs = Costs(*l.b.Build(), Options(Precision::kInt8),
                           Inputs()
                               .Add("x", Zeros(DType::kF32, {7, 2, 24}))
                               .Add("state", Zeros(DType::kF32, {2, 2, 16})));
  ASSERT_EQ(costs.size(), 2u);  // the gates' product with x, and the recurrence
  EXPECT_EQ(costs[1].kind, "lstm");
  EXPECT_THAT(costs[1].operations, ElementsAre(2.0 * 7 * 2 * 64 * 16, 0, 0));
  EXPECT_EQ(costs[1].bytes, 64 * 16 * 4 + 7 * 2 * 64 * 4 + 2 * 2 * 16 * 4 + 8 * 2 * 16 * 4);
}

TEST(PlanCost, WhatIsMissingIsNamed) {
  const Graph graph = Mlp();
  const CpuProvider provider(1);
  auto program = provider.Compile(graph, Options(Precision::kF32));
  ASSERT_TRUE(program.ok());
  const auto costs =
      CostOfSteps(static_cast<const CpuProgram&>(**program).plan(), nullptr, {{}, {}});
  EXPECT_EQ(costs.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(costs.status().message(), testing::HasSubstr("input x"));
}

}  // namespace
}  // namespace tessera::cpu
