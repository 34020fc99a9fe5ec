// The ops of recurrent networks on the CPU provider against the reference interpreter: an Lstm over
// a batch, its state carried on, and what may stand before and after it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "graph/builder.h"
#include "graph/interpreter.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

constexpr int64_t kWidth = 24, kHidden = 20;

Tensor Random(Shape shape, uint32_t seed, float spread) {
  Tensor t(DType::kF32, std::move(shape));
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  for (float& x : t.Span<float>()) x = normal(engine);
  return t;
}

// frames -> magnitude -> lstm -> rows without the first and the last -> relu -> linear -> sigmoid
Graph Build(bool bias) {
  GraphBuilder b("test.recurrent");
  const ValueId x = b.Input("frames", DType::kF32, {Dim("steps"), Dim("batch"), 2 * kWidth});
  const ValueId state = b.Input("state", DType::kF32, {2, Dim("batch"), kHidden});
  ValueId h = b.Lstm("lstm", b.Magnitude("spectrum", x),
                     b.Constant("wi", Random({4 * kHidden, kWidth}, 1, 0.2f)),
                     b.Constant("wh", Random({4 * kHidden, kHidden}, 2, 0.2f)),
                     bias ? b.Constant("b", Random({4 * kHidden}, 3, 0.3f)) : kNoValue, state);
  b.Output("states", h);
  const ValueId direct = b.Input("direct", DType::kF32, {Dim("steps"), 1, kHidden});
  b.Output("cut", b.Relu("direct.relu", b.Slice("inner", direct, {.front = 1, .back = 1})));
  const ValueId wo = b.Constant("wo", Random({3, kHidden}, 4, 0.5f));
  h = b.Relu("relu", b.Slice("hidden", h, {.back = 1}));
  b.Output("y", b.Sigmoid("sigmoid", b.Linear("out", h, wo)));
  Result<Graph> graph = b.Build();
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  return std::move(graph).value();
}

struct Outputs {
  Tensor states, cut, y;
};

class CpuRecurrentTest : public testing::TestWithParam<std::tuple<bool, int64_t, int64_t>> {};

TEST_P(CpuRecurrentTest, AgreesWithTheInterpreterOnAnyNumberOfThreads) {
  const auto [bias, steps, batch] = GetParam();
  const Graph graph = Build(bias);
  const Tensor frames = Random({steps, batch, 2 * kWidth}, 10, 1.0f);
  const Tensor state = Random({2, batch, kHidden}, 11, 0.5f);
  const Tensor direct = Random({steps, 1, kHidden}, 12, 1.0f);
  auto want = Interpret(
      graph, {{"frames", frames.ViewOf()}, {"state", state.ViewOf()}, {"direct", direct.ViewOf()}},
      nullptr);
  ASSERT_TRUE(want.ok()) << want.status().ToString();

  const auto run = [&](int threads, int64_t begin, int64_t end, const Tensor& from) {
    CpuProvider provider(threads);
    CompileOptions options;
    options.max_dims = {{"steps", 200}, {"batch", 5}};
    auto program = provider.Compile(graph, options);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    auto context = (*program)->NewContext();
    Outputs out = {Tensor(DType::kF32, {end - begin + 1, batch, kHidden}),
                   Tensor(DType::kF32, {end - begin - 2, 1, kHidden}),
                   Tensor(DType::kF32, {end - begin, batch, 3})};
    const NamedView in[] = {{"frames", frames.ViewOf().Rows(begin, end)},
                            {"state", from.ViewOf()},
                            {"direct", direct.ViewOf().Rows(begin, end)}};
    const NamedMutableView result[] = {{"states", out.states.MutableViewOf()},
                                       {"cut", out.cut.MutableViewOf()},
                                       {"y", out.y.MutableViewOf()}};
    const Status status = (*program)->Run(*context, nullptr, {in, result}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return out;
  };
  const auto near = [&](const Tensor& got, const char* name) {
    const Tensor& exact = want->at(name);
    ASSERT_EQ(got.shape(), exact.shape());
    for (int64_t i = 0; i < exact.size(); ++i) {
      // A hidden state is a bounded sum of about 50 products; the errors of a step fade, as the
      // forget gate is below one.
      ASSERT_NEAR(got.As<float>()[i], exact.As<float>()[i], 1e-5) << name << " at " << i;
    }
  };
  const Outputs one = run(1, 0, steps, state);
  near(one.states, "states");
  near(one.cut, "cut");
  near(one.y, "y");
  for (int threads : {2, 3}) {
    const Outputs many = run(threads, 0, steps, state);
    EXPECT_EQ(0, std::memcmp(one.states.As<float>(), many.states.As<float>(),
                             one.states.ViewOf().bytes()));
    EXPECT_EQ(0, std::memcmp(one.y.As<float>(), many.y.As<float>(), one.y.ViewOf().bytes()));
  }
  // In two parts: the last two rows are the state that continues.
  const int64_t cut = steps / 2;
  const Outputs head = run(2, 0, cut, state);
  Tensor carried(DType::kF32, {2, batch, kHidden});
  std::memcpy(carried.As<float>(), head.states.As<float>() + (cut - 1) * batch * kHidden,
              carried.ViewOf().bytes());
  const Outputs tail = run(2, cut, steps, carried);
  EXPECT_EQ(0, std::memcmp(tail.y.As<float>(), one.y.As<float>() + cut * batch * 3,
                           tail.y.ViewOf().bytes()));
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuRecurrentTest,
                         testing::Combine(testing::Bool(), testing::Values(6, 60, 200),
                                          testing::Values(1, 2, 5)));

}  // namespace
}  // namespace tessera
