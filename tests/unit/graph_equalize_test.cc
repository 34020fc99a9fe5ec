// Equalization: the graph computes what it did, from weights whose columns are nearer to each
// other.
#include "graph/passes/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/interpreter.h"
#include "tests/unit/fixed_samples.h"

namespace tessera {
namespace {

using fixed_test::kWidth;
using fixed_test::SampleBuilder;

constexpr int64_t kTokens = 5;

// A norm in front of three Linears, whose attention goes to a fourth. Column 3 of the norm's
// Linears and column 7 of the last one are a hundred times as large as the others.
Graph Block(bool value_is_output = false, bool shared_weight = false) {
  SampleBuilder s("block", 5);
  const ValueId x = s.b.Input("x", DType::kF32, {1, kTokens, kWidth});
  const auto weight = [&](const std::string& name, int64_t column) {
    Tensor tensor = s.random.Floats({kWidth, kWidth});
    for (int64_t row = 0; row < kWidth; ++row) tensor.As<float>()[row * kWidth + column] *= 100;
    return s.b.Constant(name, std::move(tensor));
  };
  Tensor ones(DType::kF32, {kWidth});
  std::fill_n(ones.As<float>(), kWidth, 1.0f);
  const ValueId gamma = s.b.Constant("norm.gamma", std::move(ones));
  const ValueId beta = s.b.Constant("norm.beta", Tensor::Zeros(DType::kF32, {kWidth}));
  const ValueId norm = s.b.LayerNorm("norm", x, gamma, beta);
  const ValueId query_weight = weight("query.weight", 3);
  const ValueId query = s.b.Linear("query", norm, query_weight);
  const ValueId key =
      s.b.Linear("key", norm, shared_weight ? query_weight : weight("key.weight", 3));
  // In an order of its own: the numbers are drawn one after another.
  const ValueId value_weight = weight("value.weight", 3);
  const ValueId value_bias = s.Weight("value.bias", {kWidth});
  const ValueId value = s.b.Linear("value", norm, value_weight, value_bias);
  const ValueId attention =
      s.b.Attention("attention", query, key, value, kNoValue, fixed_test::kAttention);
  s.b.Output("out", s.b.Linear("out", attention, weight("out.weight", 7)));
  if (value_is_output) s.b.Output("values", value);
  return s.Build();
}

Tensor OutputOf(const Graph& graph) {
  samples::Random random(9);
  const Tensor x = random.Floats({1, kTokens, kWidth});
  auto outputs = Interpret(graph, {{"x", x.ViewOf()}}, nullptr);
  EXPECT_TRUE(outputs.ok()) << outputs.status().ToString();
  return std::move(outputs->at("out"));
}

// Largest over smallest column of a weight.
double Unevenness(const Graph& graph, const std::string& name) {
  const View& weight = graph.value(graph.FindValue(name)).data;
  std::vector<double> sizes(kWidth);
  for (int64_t i = 0; i < weight.size(); ++i)
    sizes[static_cast<size_t>(i % kWidth)] += std::pow(double{weight.As<float>()[i]}, 2);
  const auto [least, most] = std::ranges::minmax(sizes);
  return std::sqrt(most / least);
}

TEST(Equalize, KeepsTheFunctionAndEvensColumns) {
  Graph graph = Block();
  const Tensor before = OutputOf(graph);
  const double norm_before = Unevenness(graph, "value.weight");
  const double out_before = Unevenness(graph, "out.weight");
  ASSERT_TRUE(EqualizeLinears(&graph).ok());
  const Tensor after = OutputOf(graph);
  double largest = 0, error = 0;
  for (int64_t i = 0; i < before.size(); ++i) {
    largest = std::max(largest, std::abs(double{before.As<float>()[i]}));
    error = std::max(error, std::abs(double{before.As<float>()[i]} - after.As<float>()[i]));
  }
  // A few dozen roundings of f32, each of half a 2^-23rd.
  EXPECT_LT(error, largest * 64 * 0x1p-24);
  EXPECT_LT(Unevenness(graph, "value.weight"), norm_before / 4);
  EXPECT_LT(Unevenness(graph, "out.weight"), out_before / 4);
}

TEST(Equalize, LeavesWhatOthersSee) {
  Graph values = Block(true), shared = Block(false, true);
  const double out_before = Unevenness(values, "out.weight");
  const double query_before = Unevenness(shared, "query.weight");
  ASSERT_TRUE(EqualizeLinears(&values).ok());
  ASSERT_TRUE(EqualizeLinears(&shared).ok());
  EXPECT_EQ(Unevenness(values, "out.weight"), out_before);
  EXPECT_EQ(Unevenness(shared, "query.weight"), query_before);
}

}  // namespace
}  // namespace tessera
