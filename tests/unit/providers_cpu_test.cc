// The CPU provider against the reference interpreter on small graphs that reach every fusion and
// both ways of splitting work.
#include "providers/cpu/provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "graph/builder.h"
#include "graph/interpreter.h"
#include "tests/unit/relative_rms.h"

namespace tessera {
namespace {

using kernels::Precision;

constexpr int64_t kWidth = 64, kHeads = 4, kCapacity = 24, kSlots = 6;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  Tensor Floats(Shape shape, float spread = 1.0f) {
    Tensor t(DType::kF32, std::move(shape));
    std::normal_distribution<float> normal(0.0f, spread);
    for (float& x : t.Span<float>()) x = normal(engine_);
    return t;
  }
  Tensor Weight(int64_t out, int64_t in) {
    return Floats({out, in}, 1.0f / std::sqrt(static_cast<float>(in)));
  }

 private:
  std::mt19937 engine_;
};

Tensor Ids(std::vector<int32_t> v) {
  Tensor t(DType::kI32, {static_cast<int64_t>(v.size())});
  std::memcpy(t.As<int32_t>(), v.data(), v.size() * 4);
  return t;
}

// A small encoder: convolution, positions, attention, MLP, all with the fusions of a real one.
Graph Encoder(Random& r, bool causal) {
  GraphBuilder b("test.encoder");
  ValueId x = b.Input("mel", DType::kF32, {Dim("batch"), Dim("positions", 2), 20});
  const ValueId rows = b.Input("rows", DType::kI32, {Dim("positions")});
  auto bias = [&](const std::string& n, int64_t w) { return b.Constant(n, r.Floats({w}, 0.1f)); };
  x = b.Conv1d("conv1", x, b.Constant("w1", r.Floats({kWidth, 20, 3}, 0.1f)), bias("b1", kWidth),
               {.stride = 1, .padding = 1});
  x = b.Gelu("gelu1", x);
  x = b.Conv1d("conv2", x, b.Constant("w2", r.Floats({kWidth, kWidth, 3}, 0.1f)),
               bias("b2", kWidth), {.stride = 2, .padding = 1});
  x = b.Gelu("gelu2", x);
  x = b.Add("embed", x, b.Gather("pos", b.Constant("table", r.Floats({200, kWidth})), rows));
  ValueId h = b.LayerNorm("ln1", x, bias("g1", kWidth), bias("be1", kWidth));
  const ValueId q =
      b.Linear("q", h, b.Constant("wq", r.Weight(kWidth, kWidth)), bias("bq", kWidth));
  const ValueId k = b.Linear("k", h, b.Constant("wk", r.Weight(kWidth, kWidth)));
  const ValueId v =
      b.Linear("v", h, b.Constant("wv", r.Weight(kWidth, kWidth)), bias("bv", kWidth));
  const ValueId a = b.Attention("att", q, k, v, kNoValue,
                                {.num_heads = kHeads, .scale = 0.25f, .causal = causal});
  x = b.Add("add1", x,
            b.Linear("o", a, b.Constant("wo", r.Weight(kWidth, kWidth)), bias("bo", kWidth)));
  h = b.LayerNorm("ln2", x, bias("g2", kWidth), bias("be2", kWidth));
  h = b.Gelu("gelu3", b.Linear("up", h, b.Constant("wu", r.Weight(200, kWidth)), bias("bu", 200)));
  x = b.Add("add2", b.Linear("down", h, b.Constant("wd", r.Weight(kWidth, 200))), x);
  b.Output("features", b.LayerNorm("ln3", x, bias("g3", kWidth), bias("be3", kWidth)));
  Result<Graph> g = b.Build();
  EXPECT_TRUE(g.ok()) << g.status().ToString();
  return std::move(g).value();
}

// A small decoder layer with a cache, shared histories and picked outputs.
Graph Decoder(Random& r) {
  GraphBuilder b("test.decoder");
  const Dim n("tokens");
  const ValueId tokens = b.Input("tokens", DType::kI32, {n});
  const ValueId position = b.Input("position", DType::kI32, {n});
  const ValueId slot = b.Input("slot", DType::kI32, {n});
  const ValueId history = b.Input("history", DType::kI32, {n, Dim("history")});
  const ValueId length = b.Input("length", DType::kI32, {n});
  const ValueId outputs = b.Input("outputs", DType::kI32, {Dim("outputs")});
  const ValueId table = b.Constant("table", r.Floats({300, kWidth}));
  const ValueId places = b.Constant("places", r.Floats({kCapacity, kWidth}));
  ValueId x = b.Add("embed", b.Gather("tok", table, tokens), b.Gather("pos", places, position));
  const ValueId keys = b.State("keys", DType::kF32, {Dim("rows"), kCapacity, kWidth});
  const ValueId values = b.State("values", DType::kF32, {Dim("rows"), kCapacity, kWidth});
  const ValueId gamma = b.Constant("g", r.Floats({kWidth}, 0.5f));
  const ValueId beta = b.Constant("be", r.Floats({kWidth}, 0.1f));
  const ValueId h = b.LayerNorm("ln", x, gamma, beta);
  const ValueId q = b.Linear("q", h, b.Constant("wq", r.Weight(kWidth, kWidth)));
  const ValueId k = b.Linear("k", h, b.Constant("wk", r.Weight(kWidth, kWidth)));
  const ValueId v = b.Linear("v", h, b.Constant("wv", r.Weight(kWidth, kWidth)));
  const ValueId nk = b.CacheWrite("kw", keys, k, slot, position);
  const ValueId nv = b.CacheWrite("vw", values, v, slot, position);
  b.UpdateState(keys, nk);
  b.UpdateState(values, nv);
  const ValueId a =
      b.CachedAttention("att", q, nk, nv, history, length, {.num_heads = kHeads, .scale = 0.25f});
  x = b.Add("add", x, b.Linear("o", a, b.Constant("wo", r.Weight(kWidth, kWidth))));
  b.Output(
      "logits",
      b.Linear("logits", b.Gather("pick", b.LayerNorm("lnf", x, gamma, beta), outputs), table));
  Result<Graph> g = b.Build();
  EXPECT_TRUE(g.ok()) << g.status().ToString();
  return std::move(g).value();
}

CompileOptions Options(Precision precision) {
  CompileOptions o;
  o.precision = precision;
  o.max_dims = {{"batch", 2},     {"positions", 150},     {"tokens", 128},
                {"outputs", 128}, {"history", kCapacity}, {"rows", kSlots}};
  return o;
}

Tensor RunEncoder(const Graph& graph, const Tensor& mel, const Tensor& rows, Precision precision,
                  int threads) {
  CpuProvider provider(threads);
  Result<std::unique_ptr<Program>> program = provider.Compile(graph, Options(precision));
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  auto context = (*program)->NewContext();
  Tensor out(DType::kF32, {mel.shape()[0], mel.shape()[1] / 2, kWidth});
  const NamedView in[] = {{"mel", mel.ViewOf()}, {"rows", rows.ViewOf()}};
  const NamedMutableView result[] = {{"features", out.MutableViewOf()}};
  const Status status = (*program)->Run(*context, nullptr, {in, result}, {});
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

// Relative rms error that rounding alone explains: about 30 rounded operations in a row, each of
// which moves a value by a unit of the precision, with errors that add like independent ones.
// Measured errors lie 2 to 10 times below.
double Bound(Precision precision) {
  const double unit = precision == Precision::kF32    ? 0x1p-24
                      : precision == Precision::kBf16 ? 0x1p-9
                                                      : 1.0 / 127;
  return std::sqrt(30.0) * unit * (precision == Precision::kF32 ? 4 : 1);
}

class CpuEncoderTest
    : public testing::TestWithParam<std::tuple<Precision, int64_t, int64_t, bool>> {};

TEST_P(CpuEncoderTest, AgreesWithTheInterpreter) {
  const auto [precision, batch, positions, causal] = GetParam();
  Random r(7);
  const Graph graph = Encoder(r, causal);
  const Tensor mel = r.Floats({batch, 2 * positions, 20});
  std::vector<int32_t> ids(positions);
  for (int64_t i = 0; i < positions; ++i) ids[i] = static_cast<int32_t>((i * 7) % 200);
  const Tensor rows = Ids(ids);
  auto want = Interpret(graph, {{"mel", mel.ViewOf()}, {"rows", rows.ViewOf()}}, nullptr);
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  const Tensor one = RunEncoder(graph, mel, rows, precision, 1);
  EXPECT_LT(RelativeRms(one, want->at("features")), Bound(precision));
  for (int threads : {2, 3}) {
    const Tensor many = RunEncoder(graph, mel, rows, precision, threads);
    EXPECT_EQ(0, std::memcmp(one.As<float>(), many.As<float>(), one.size() * 4))
        << "bits change with " << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CpuEncoderTest,
    testing::Combine(testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8),
                     testing::Values(1, 2), testing::Values(5, 47, 150), testing::Bool()));

class CpuResidualTest : public testing::TestWithParam<std::tuple<Precision, int64_t>> {};

// Sums that may take their residual's place, and two that may not: a norm of the residual is read
// after the first sum, and a residual is an output.
TEST_P(CpuResidualTest, NothingIsOverwrittenBeforeItIsRead) {
  const auto [precision, rows] = GetParam();
  Random r(19);
  GraphBuilder b("test.residual");
  const auto linear = [&](const std::string& name, ValueId x) {
    return b.Linear(name, x, b.Constant(name + ".w", r.Weight(kWidth, kWidth)));
  };
  const ValueId gamma = b.Constant("g", r.Floats({kWidth}, 0.5f));
  const ValueId beta = b.Constant("be", r.Floats({kWidth}, 0.1f));
  const ValueId in = b.Input("x", DType::kF32, {Dim("tokens"), kWidth});
  const ValueId x = linear("first", in);
  const ValueId h = b.LayerNorm("norm", x, gamma, beta);
  // Two branches of one norm, as in models with parallel attention and MLP.
  const ValueId one = b.Add("one", x, b.Gelu("gelu", linear("left", in)));
  const ValueId two = b.Add("two", linear("right", h), one);
  const ValueId three = b.Add("three", linear("next", b.LayerNorm("norm2", two, gamma, beta)), two);
  const ValueId four = b.Add("four", linear("last", three), three);
  b.Output("three", three);
  b.Output("four", four);
  Result<Graph> graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  const Tensor input = r.Floats({rows, kWidth});
  auto want = Interpret(*graph, {{"x", input.ViewOf()}}, nullptr);
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  Tensor first;
  for (const int threads : {1, 2, 3}) {
    CpuProvider provider(threads);
    auto program = provider.Compile(*graph, Options(precision));
    ASSERT_TRUE(program.ok()) << program.status().ToString();
    auto context = (*program)->NewContext();
    Tensor three_out(DType::kF32, {rows, kWidth}), four_out(DType::kF32, {rows, kWidth});
    const NamedView inputs[] = {{"x", input.ViewOf()}};
    const NamedMutableView out[] = {{"three", three_out.MutableViewOf()},
                                    {"four", four_out.MutableViewOf()}};
    for (int repeat = 0; repeat < 20; ++repeat)
      ASSERT_TRUE((*program)->Run(*context, nullptr, {inputs, out}, {}).ok());
    EXPECT_LT(RelativeRms(three_out, want->at("three")), Bound(precision));
    EXPECT_LT(RelativeRms(four_out, want->at("four")), Bound(precision));
    if (threads == 1)
      first = std::move(four_out);
    else
      EXPECT_EQ(0, std::memcmp(first.As<float>(), four_out.As<float>(), first.size() * 4));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuResidualTest,
                         testing::Combine(testing::Values(Precision::kF32, Precision::kBf16,
                                                          Precision::kInt8),
                                          testing::Values(5, 128)));

class CpuPartialRowsTest : public testing::TestWithParam<Precision> {};

// Of rows that are wanted from a column on, those columns and all other rows keep their bits, and
// what nobody wants is left as it was.
TEST_P(CpuPartialRowsTest, LeaveOnlyWhatIsNotWanted) {
  constexpr int64_t kRows = 5, kColumns = 300, kFirst = 200;
  Random r(17);
  GraphBuilder b("test.partial");
  const ValueId x = b.Input("x", DType::kF32, {Dim("tokens"), kWidth});
  b.Output("y", b.Linear("y", x, b.Constant("w", r.Weight(kColumns, kWidth)),
                         b.Constant("b", r.Floats({kColumns}))));
  Result<Graph> graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  const Tensor input = r.Floats({kRows, kWidth});
  const NamedView in[] = {{"x", input.ViewOf()}};
  for (const int threads : {1, 2, 3}) {
    CpuProvider provider(threads);
    auto program = provider.Compile(*graph, Options(GetParam()));
    ASSERT_TRUE(program.ok()) << program.status().ToString();
    auto context = (*program)->NewContext();
    const auto run = [&](const PartialRows& partial, Tensor& y) {
      std::fill_n(y.As<float>(), y.size(), 7.0f);
      const NamedMutableView out[] = {{"y", y.MutableViewOf()}};
      return (*program)->Run(*context, nullptr, {in, out, partial}, {});
    };
    Tensor whole(DType::kF32, {kRows, kColumns}), some(DType::kF32, {kRows, kColumns});
    ASSERT_TRUE(run({}, whole).ok());
    const uint8_t flags[kRows] = {1, 0, 0, 1, 0};
    ASSERT_TRUE(run({"y", kFirst, flags}, some).ok());
    int64_t left = 0;
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t column = 0; column < kColumns; ++column) {
        const int64_t at = row * kColumns + column;
        if (flags[row] != 0 && column < kFirst && some.As<float>()[at] == 7.0f) {
          ++left;
          continue;
        }
        ASSERT_EQ(some.As<float>()[at], whole.As<float>()[at]) << row << ", " << column;
      }
    }
    EXPECT_EQ(left, 2 * 192);  // whole panels of 64 columns
    EXPECT_EQ(run({"z", kFirst, flags}, some).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(run({"y", kFirst, std::span(flags).first(2)}, some).code(),
              StatusCode::kInvalidArgument);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, CpuPartialRowsTest,
                         testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8));

class CpuDecoderTest : public testing::TestWithParam<Precision> {};

// A prompt of one row, a branch into three that share it, and steps; then the same rows in other
// company.
TEST_P(CpuDecoderTest, StepsAgreeWithTheInterpreterAndWithOtherBatches) {
  Random r(11);
  const Graph graph = Decoder(r);
  const CompileOptions options = Options(GetParam());
  CpuProvider provider(2);
  auto program = provider.Compile(graph, options);
  ASSERT_TRUE(program.ok()) << program.status().ToString();
  const Graph* graphs[] = {&graph};
  auto store = provider.NewStateStore(graphs, options);
  auto store2 = provider.NewStateStore(graphs, options);
  ASSERT_TRUE(store.ok() && store2.ok());
  auto context = (*program)->NewContext();
  std::map<std::string, Tensor> states;
  states.emplace("keys", Tensor::Zeros(DType::kF32, {kSlots, kCapacity, kWidth}));
  states.emplace("values", Tensor::Zeros(DType::kF32, {kSlots, kCapacity, kWidth}));

  struct Feed {
    std::vector<int32_t> tokens, position, slot, length, outputs;
    std::vector<std::vector<int32_t>> history;
  };
  auto run = [&](const Feed& f, StateStore* cpu_states, bool interpret) {
    const int64_t n = static_cast<int64_t>(f.tokens.size());
    int64_t width = 0;
    for (const auto& h : f.history) width = std::max<int64_t>(width, h.size());
    Tensor history = Tensor::Zeros(DType::kI32, {n, width});
    for (int64_t i = 0; i < n; ++i)
      std::copy(f.history[i].begin(), f.history[i].end(), history.As<int32_t>() + i * width);
    const Tensor tokens = Ids(f.tokens), position = Ids(f.position), slot = Ids(f.slot),
                 length = Ids(f.length), outputs = Ids(f.outputs);
    Tensor logits(DType::kF32, {static_cast<int64_t>(f.outputs.size()), 300});
    const NamedView in[] = {{"tokens", tokens.ViewOf()}, {"position", position.ViewOf()},
                            {"slot", slot.ViewOf()},     {"history", history.ViewOf()},
                            {"length", length.ViewOf()}, {"outputs", outputs.ViewOf()}};
    const NamedMutableView out[] = {{"logits", logits.MutableViewOf()}};
    const Status status = (*program)->Run(*context, cpu_states, {in, out}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
    if (interpret) {
      std::map<std::string, View> inputs;
      for (const NamedView& v : in) inputs[std::string(v.name)] = v.view;
      auto want = Interpret(graph, inputs, &states);
      EXPECT_TRUE(want.ok()) << want.status().ToString();
      EXPECT_LT(RelativeRms(logits, want->at("logits")), Bound(GetParam()));
    }
    return logits;
  };

  Feed prompt;
  for (int32_t p = 0; p < 6; ++p) {
    prompt.tokens.push_back(10 + p);
    prompt.position.push_back(p);
    prompt.slot.push_back(0);
    prompt.length.push_back(p + 1);
    prompt.history.push_back(std::vector<int32_t>(p + 1, 0));
  }
  prompt.outputs = {5, 0};
  const Tensor first = run(prompt, store->get(), true);

  // Rows 0, 1, 2 share the prompt in slot 0 and write their own tokens.
  Feed step{{50, 51, 52}, {6, 6, 6}, {0, 1, 2}, {7, 7, 7}, {0, 1, 2}, {}};
  for (int32_t row = 0; row < 3; ++row) {
    std::vector<int32_t> h(6, 0);
    h.push_back(row);
    step.history.push_back(h);
  }
  const Tensor batched = run(step, store->get(), true);

  // Each row alone after its own copy of the prompt gives the same bits.
  for (int32_t row = 0; row < 3; ++row) {
    Feed own = prompt;
    for (int32_t& s : own.slot) s = row;
    for (auto& h : own.history) std::fill(h.begin(), h.end(), row);
    const Tensor again = run(own, store2->get(), false);
    EXPECT_EQ(0, std::memcmp(again.As<float>(), first.As<float>(), first.size() * 4));
    Feed alone{{50 + row}, {6}, {row}, {7}, {0}, {std::vector<int32_t>(7, row)}};
    const Tensor single = run(alone, store2->get(), false);
    EXPECT_EQ(0, std::memcmp(single.As<float>(), batched.As<float>() + row * 300, 300 * 4))
        << "row " << row << " depends on its company";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, CpuDecoderTest,
                         testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8));

TEST(CpuProviderTest, RefusesWrongBindings) {
  Random r(3);
  const Graph graph = Encoder(r, false);
  CpuProvider provider(1);
  auto program = provider.Compile(graph, Options(Precision::kF32));
  ASSERT_TRUE(program.ok());
  auto context = (*program)->NewContext();
  Tensor out(DType::kF32, {1, 4, kWidth});
  const Tensor mel = r.Floats({1, 8, 20}), odd = r.Floats({1, 7, 20}), big = r.Floats({3, 8, 20});
  const Tensor rows = Ids({0, 1, 2, 3}), outside = Ids({0, 1, 2, 200}),
               negative = Ids({0, -1, 2, 3});
  const NamedMutableView result[] = {{"features", out.MutableViewOf()}};
  auto run = [&](View m, View p) {
    const NamedView in[] = {{"mel", m}, {"rows", p}};
    return (*program)->Run(*context, nullptr, {in, result}, {});
  };
  EXPECT_TRUE(run(mel.ViewOf(), rows.ViewOf()).ok());
  for (const Status& bad :
       {run(odd.ViewOf(), rows.ViewOf()), run(big.ViewOf(), rows.ViewOf()),
        run(mel.ViewOf(), mel.ViewOf()), run(mel.ViewOf(), outside.ViewOf()),
        run(mel.ViewOf(), negative.ViewOf()), run(rows.ViewOf(), rows.ViewOf())})
    EXPECT_EQ(bad.code(), StatusCode::kInvalidArgument) << bad.ToString();
  const NamedView only[] = {{"mel", mel.ViewOf()}};
  EXPECT_THAT((*program)->Run(*context, nullptr, {only, result}, {}).message(),
              testing::HasSubstr("rows is missing"));
}

TEST(CpuProviderTest, StopsWhenAsked) {
  Random r(3);
  const Graph graph = Encoder(r, false);
  CpuProvider provider(2);
  auto program = provider.Compile(graph, Options(Precision::kF32));
  ASSERT_TRUE(program.ok());
  auto context = (*program)->NewContext();
  const Tensor mel = r.Floats({1, 8, 20}), rows = Ids({0, 1, 2, 3});
  Tensor out(DType::kF32, {1, 4, kWidth});
  const NamedView in[] = {{"mel", mel.ViewOf()}, {"rows", rows.ViewOf()}};
  const NamedMutableView result[] = {{"features", out.MutableViewOf()}};
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ((*program)->Run(*context, nullptr, {in, result}, stop.get_token()).code(),
            StatusCode::kCancelled);
}

}  // namespace
}  // namespace tessera
