// A small post-norm text encoder on the CPU provider against the reference interpreter: attention
// within ragged sequences, norms that are activations and residuals at once, embeddings in one
// chain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "graph/builder.h"
#include "graph/interpreter.h"
#include "kernels/layer_norm.h"
#include "kernels/quantize.h"
#include "providers/cpu/lowering.h"
#include "providers/cpu/provider.h"
#include "tests/unit/relative_rms.h"

namespace tessera {
namespace {

using kernels::Precision;

constexpr int64_t kWidth = 64, kHeads = 2, kMlp = 160, kVocabulary = 90, kPositions = 130;
constexpr int64_t kMaxTokens = 300;

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
  int32_t Below(int32_t n) { return std::uniform_int_distribution<int32_t>(0, n - 1)(engine_); }

 private:
  std::mt19937 engine_;
};

Graph TextEncoderGraph(int layers) {
  Random r(5);
  GraphBuilder b("test.text");
  const Dim tokens("tokens");
  const ValueId ids = b.Input("ids", DType::kI32, {tokens});
  const ValueId positions = b.Input("positions", DType::kI32, {tokens});
  const ValueId offsets = b.Input("offsets", DType::kI32, {Dim("sequences", 1, 1)});
  auto vector = [&](const std::string& n, int64_t d, float spread = 0.3f) {
    return b.Constant(n, r.Floats({d}, spread));
  };
  auto linear = [&](const std::string& n, ValueId x, int64_t in, int64_t out) {
    const ValueId w = b.Constant(n + ".w", r.Weight(out, in));
    return b.Linear(n, x, w, vector(n + ".b", out));
  };
  auto norm = [&](const std::string& n, ValueId x) {
    const ValueId gamma = vector(n + ".g", kWidth, 1.0f);
    return b.LayerNorm(n, x, gamma, vector(n + ".be", kWidth), {.epsilon = 1e-12f});
  };
  ValueId x = b.Gather("words", b.Constant("word_table", r.Floats({kVocabulary, kWidth})), ids);
  x = b.Add("with_type", x, vector("type", kWidth));
  const ValueId table = b.Constant("position_table", r.Floats({kPositions, kWidth}));
  x = b.Add("embed", x, b.Gather("places", table, positions));
  x = norm("embed_norm", x);
  for (int i = 0; i < layers; ++i) {
    const std::string p = "layers." + std::to_string(i) + ".";
    const ValueId q = linear(p + "q", x, kWidth, kWidth), k = linear(p + "k", x, kWidth, kWidth);
    const ValueId v = linear(p + "v", x, kWidth, kWidth);
    const ValueId a =
        b.RaggedAttention(p + "attention", q, k, v, offsets, {.num_heads = kHeads, .scale = 0.18f});
    x = norm(p + "norm1", b.Add(p + "add1", linear(p + "o", a, kWidth, kWidth), x));
    const ValueId up = b.Gelu(p + "gelu", linear(p + "up", x, kWidth, kMlp));
    x = norm(p + "norm2", b.Add(p + "add2", linear(p + "down", up, kMlp, kWidth), x));
  }
  b.Output("hidden", x);
  Result<Graph> g = b.Build();
  EXPECT_TRUE(g.ok()) << g.status().ToString();
  return std::move(g).value();
}

struct Batch {
  std::vector<int32_t> ids, positions, offsets = {0};
};
Batch MakeBatch(const std::vector<int>& lengths) {
  Random r(static_cast<uint32_t>(lengths.size()));
  Batch batch;
  for (const int n : lengths) {
    for (int i = 0; i < n; ++i) {
      batch.ids.push_back(r.Below(kVocabulary));
      batch.positions.push_back(i);
    }
    batch.offsets.push_back(static_cast<int32_t>(batch.ids.size()));
  }
  return batch;
}
View ViewOf(const std::vector<int32_t>& v) {
  return {v.data(), DType::kI32, {static_cast<int64_t>(v.size())}};
}

CompileOptions Options(Precision precision) {
  CompileOptions o;
  o.precision = precision;
  o.max_dims = {{"tokens", kMaxTokens}, {"sequences", kMaxTokens}};
  return o;
}

Status RunBatch(const Program& program, ExecutionContext& context, const Batch& batch,
                Tensor& out) {
  out = Tensor(DType::kF32, {static_cast<int64_t>(batch.ids.size()), kWidth});
  const NamedView in[] = {{"ids", ViewOf(batch.ids)},
                          {"positions", ViewOf(batch.positions)},
                          {"offsets", ViewOf(batch.offsets)}};
  const NamedMutableView result[] = {{"hidden", out.MutableViewOf()}};
  return program.Run(context, nullptr, {in, result}, {});
}

Tensor RunOn(const Graph& graph, const Batch& batch, Precision precision, int threads) {
  CpuProvider provider(threads);
  auto program = provider.Compile(graph, Options(precision));
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  auto context = (*program)->NewContext();
  Tensor out;
  const Status status = RunBatch(**program, *context, batch, out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

// About 60 rounded operations in a row, each of which moves a value by a unit of the precision.
double Bound(Precision precision) {
  const double unit = precision == Precision::kF32    ? 0x1p-22
                      : precision == Precision::kBf16 ? 0x1p-9
                                                      : 1.0 / 127;
  return std::sqrt(60.0) * unit;
}

class CpuRaggedTest : public testing::TestWithParam<Precision> {};

// Column mode, row mode, sequences above a block of queries, many short ones, a single token.
const std::vector<std::vector<int>> kLengths = {
    {1}, {16}, {3, 1, 7}, {130}, {97, 5, 1, 60, 20}, std::vector<int>(60, 5)};

TEST_P(CpuRaggedTest, AgreesWithTheInterpreterWithAnyThreads) {
  const Graph graph = TextEncoderGraph(2);
  for (const std::vector<int>& lengths : kLengths) {
    SCOPED_TRACE(testing::PrintToString(lengths));
    const Batch batch = MakeBatch(lengths);
    auto want = Interpret(graph,
                          {{"ids", ViewOf(batch.ids)},
                           {"positions", ViewOf(batch.positions)},
                           {"offsets", ViewOf(batch.offsets)}},
                          nullptr);
    ASSERT_TRUE(want.ok()) << want.status().ToString();
    const Tensor one = RunOn(graph, batch, GetParam(), 1);
    EXPECT_LT(RelativeRms(one, want->at("hidden")), Bound(GetParam()));
    for (const int threads : {2, 3}) {
      const Tensor many = RunOn(graph, batch, GetParam(), threads);
      EXPECT_EQ(0, std::memcmp(one.As<float>(), many.As<float>(), one.size() * 4)) << threads;
    }
  }
}

TEST_P(CpuRaggedTest, ASequenceHasTheSameBitsInAnyCompany) {
  const Graph graph = TextEncoderGraph(2);
  const Batch batch = MakeBatch({97, 5, 1, 60, 20});
  const Tensor together = RunOn(graph, batch, GetParam(), 2);
  for (size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const int32_t begin = batch.offsets[s], end = batch.offsets[s + 1];
    const Batch alone{{batch.ids.begin() + begin, batch.ids.begin() + end},
                      {batch.positions.begin() + begin, batch.positions.begin() + end},
                      {0, end - begin}};
    const Tensor single = RunOn(graph, alone, GetParam(), 2);
    EXPECT_EQ(0, std::memcmp(single.As<float>(), together.As<float>() + begin * kWidth,
                             single.size() * 4))
        << "sequence " << s;
  }
}

// Tokens behind the last sequence do not disturb it, and attend to nothing.
TEST_P(CpuRaggedTest, AFixedShapeMayBePadded) {
  const Graph graph = TextEncoderGraph(1);
  const Batch batch = MakeBatch({40, 30});
  Batch padded = batch;
  padded.ids.resize(128, 3);
  padded.positions.resize(128, 0);
  const Tensor want = RunOn(graph, batch, GetParam(), 2);
  const Tensor got = RunOn(graph, padded, GetParam(), 2);
  EXPECT_EQ(0, std::memcmp(want.As<float>(), got.As<float>(), want.size() * 4));
  for (int64_t i = 0; i < got.size(); ++i) ASSERT_TRUE(std::isfinite(got.As<float>()[i]));
}

INSTANTIATE_TEST_SUITE_P(Precisions, CpuRaggedTest,
                         testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8));

TEST(CpuRagged, RefusesWrongOffsets) {
  const Graph graph = TextEncoderGraph(1);
  CpuProvider provider(1);
  auto program = provider.Compile(graph, Options(Precision::kF32));
  ASSERT_TRUE(program.ok());
  auto context = (*program)->NewContext();
  Tensor out;
  Batch batch = MakeBatch({4, 6});
  EXPECT_TRUE(RunBatch(**program, *context, batch, out).ok());
  for (const std::vector<int32_t>& wrong : std::vector<std::vector<int32_t>>{
           {1, 4, 10}, {-1, 4, 10}, {0, 4, 11}, {0, 11, 10}, {0, 5, 4}, {0, -1, 10}}) {
    batch.offsets = wrong;
    const Status status = RunBatch(**program, *context, batch, out);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << testing::PrintToString(wrong);
    EXPECT_THAT(status.message(), testing::HasSubstr("offsets"));
  }
  batch.offsets = {0};
  EXPECT_FALSE(RunBatch(**program, *context, batch, out).ok());
}

// Between two attentions everything is one chain, and no norm is a pass of its own where its
// activations are quantised.
TEST(CpuRagged, PostNormLayersAreOneChain) {
  const Graph graph = TextEncoderGraph(2);
  ThreadPool pool(1);
  for (const Precision precision : {Precision::kF32, Precision::kInt8}) {
    auto plan = cpu::LowerGraph(graph, Options(precision), pool);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    EXPECT_EQ(plan->steps.size(), 5u);  // embeddings, attention, layer, attention, layer
    int norms = 0;
    for (const cpu::Step& step : plan->steps) {
      const auto* chain = std::get_if<cpu::ChainStep>(&step.step);
      if (chain == nullptr) continue;
      for (const cpu::MicroOp& op : chain->ops)
        norms += std::holds_alternative<cpu::LayerNormOp>(op.op);
    }
    EXPECT_EQ(norms, precision == Precision::kF32 ? 5 : 1) << "the last one is the output";
  }
}

// What the chain relies on: a norm to f32 that is then quantised has the bits of the fused form.
TEST(CpuRagged, AQuantisedNormIsANormThatIsQuantised) {
  Random r(9);
  for (const int64_t d : {16, 61, 384, 1000}) {
    const Tensor x = r.Floats({5, d}), gamma = r.Floats({d}), beta = r.Floats({d});
    const kernels::LayerNormWeights w{gamma.As<float>(), beta.As<float>(), d, 1e-12f};
    const int64_t ld = (d + 3) / 4 * 4;
    std::vector<float> y(5 * d), s1(5), s2(5);
    std::vector<uint8_t> q1(5 * ld), q2(5 * ld);
    std::vector<BF16> b1(5 * ld), b2(5 * ld);
    kernels::LayerNormRowsF32(w, x.As<float>(), d, 5, y.data(), d);
    kernels::QuantizeRotatedRowsU8(y.data(), d, 5, d, nullptr, q1.data(), ld, s1.data());
    kernels::LayerNormRowsU8(w, x.As<float>(), d, 5, nullptr, q2.data(), ld, s2.data());
    EXPECT_EQ(q1, q2);
    EXPECT_EQ(s1, s2);
    kernels::ConvertRowsBf16(y.data(), d, 5, d, b1.data(), ld);
    kernels::LayerNormRowsBf16(w, x.As<float>(), d, 5, b2.data(), ld);
    EXPECT_EQ(0, std::memcmp(b1.data(), b2.data(), b1.size() * sizeof(BF16)));
  }
}

}  // namespace
}  // namespace tessera
