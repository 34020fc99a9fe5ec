#include "graph/shape_inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

namespace tessera {
namespace {

using ::testing::HasSubstr;

struct Operand {
  DType dtype;
  Dims dims;
};
using Operands = std::vector<std::optional<Operand>>;

const auto F = [](Dims dims) { return std::optional<Operand>({DType::kF32, std::move(dims)}); };
const auto H = [](Dims dims) { return std::optional<Operand>({DType::kF16, std::move(dims)}); };
const auto I = [](Dims dims) { return std::optional<Operand>({DType::kI32, std::move(dims)}); };
const Dim B("batch"), T("tokens"), P("positions");

Result<TypedDims> Infer(OpKind op, const Operands& operands, const OpAttributes& attributes) {
  std::vector<Value> values(operands.size());
  std::vector<const Value*> pointers;
  for (size_t i = 0; i < operands.size(); ++i) {
    values[i].name = "v" + std::to_string(i);
    if (operands[i]) {
      values[i].dtype = operands[i]->dtype;
      values[i].dims = operands[i]->dims;
    }
    pointers.push_back(operands[i] ? &values[i] : nullptr);
  }
  return InferOutput(op, pointers, attributes);
}

struct GoodCase {
  const char* what;
  OpKind op;
  Operands operands;
  OpAttributes attributes;
  std::string expected;
};

TEST(ShapeInference, GoodShapes) {
  const AttentionAttributes heads{2, 0.5f, false}, causal{2, 0.5f, true};
  const std::vector<GoodCase> cases = {
      {"linear", OpKind::kLinear, {F({B, T, 6}), H({4, 6}), F({4})}, {}, "f32[batch, tokens, 4]"},
      {"no bias", OpKind::kLinear, {F({6}), F({4, 6})}, {}, "f32[4]"},
      {"computed weight",
       OpKind::kLinear,
       {F({B, 6}), F({T, 6}), std::nullopt},
       {},
       "f32[batch, tokens]"},
      {"conv same",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3}), F({8})},
       Conv1dAttributes{1, 1},
       "f32[batch, positions, 8]"},
      {"conv halves",
       OpKind::kConv1d,
       {F({B, Dim("positions", 2), 3}), F({8, 3, 3})},
       Conv1dAttributes{2, 1},
       "f32[batch, positions, 8]"},
      {"conv shrinks",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3})},
       Conv1dAttributes{1, 0},
       "f32[batch, positions - 2, 8]"},
      {"conv floors",
       OpKind::kConv1d,
       {F({B, Dim("positions", 4, 1), 3}), F({8, 3, 4})},
       Conv1dAttributes{2, 0},
       "f32[batch, 2*positions - 1, 8]"},
      {"conv grows",
       OpKind::kConv1d,
       {F({1, P, 3}), F({8, 3, 2})},
       Conv1dAttributes{1, 1},
       "f32[1, positions + 1, 8]"},
      {"conv constant",
       OpKind::kConv1d,
       {F({1, 3000, 80}), F({512, 80, 3})},
       Conv1dAttributes{2, 1},
       "f32[1, 1500, 512]"},
      {"layer norm",
       OpKind::kLayerNorm,
       {F({T, 6}), H({6}), F({6})},
       LayerNormAttributes{},
       "f32[tokens, 6]"},
      {"gelu", OpKind::kGelu, {H({T, 6})}, {}, "f32[tokens, 6]"},
      {"add", OpKind::kAdd, {F({B, T, 6}), F({1, 6})}, {}, "f32[batch, tokens, 6]"},
      {"add scalar", OpKind::kAdd, {F({B}), F({})}, {}, "f32[batch]"},
      {"attention",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, P, 6}), F({B, P, 6}), I({B})},
       heads,
       "f32[batch, tokens, 6]"},
      {"causal",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, T, 6}), F({B, T, 6})},
       causal,
       "f32[batch, tokens, 6]"},
      {"gather", OpKind::kGather, {H({100, 6}), I({T})}, {}, "f32[tokens, 6]"},
      {"gather ints", OpKind::kGather, {I({B, 2, 3}), I({T})}, {}, "i32[tokens, 2, 3]"},
      {"cache write",
       OpKind::kCacheWrite,
       {H({4, P, 6}), F({T, 6}), I({T}), I({T})},
       {},
       "f16[4, positions, 6]"},
      {"cached",
       OpKind::kCachedAttention,
       {F({T, 6}), H({4, P, 6}), H({4, P, 6}), I({T}), I({T})},
       heads,
       "f32[tokens, 6]"},
      {"paged",
       OpKind::kCachedAttention,
       {F({T, 6}), F({4, 9, 6}), F({4, 9, 6}), I({T, P}), I({T})},
       heads,
       "f32[tokens, 6]"},
      {"ragged",
       OpKind::kRaggedAttention,
       {H({T, 6}), F({T, 6}), F({T, 6}), I({Dim("sequences", 1, 1)})},
       heads,
       "f32[tokens, 6]"},
      {"relu", OpKind::kRelu, {H({T, 6})}, {}, "f32[tokens, 6]"},
      {"sigmoid", OpKind::kSigmoid, {F({B, T})}, {}, "f32[batch, tokens]"},
      {"magnitude", OpKind::kMagnitude, {F({B, 4, 6})}, {}, "f32[batch, 4, 3]"},
      {"slice", OpKind::kSlice, {F({T, 6})}, SliceAttributes{1, 2}, "f32[tokens - 3, 6]"},
      {"slice to nothing", OpKind::kSlice, {F({3, T})}, SliceAttributes{1, 2}, "f32[0, tokens]"},
      {"lstm",
       OpKind::kLstm,
       {F({T, B, 6}), F({12, 6}), H({12, 3}), std::nullopt, F({2, B, 3})},
       {},
       "f32[tokens + 1, batch, 3]"},
  };
  for (const GoodCase& c : cases) {
    auto result = Infer(c.op, c.operands, c.attributes);
    ASSERT_TRUE(result.ok()) << c.what << ": " << result.status().ToString();
    EXPECT_EQ(std::string(DTypeName(result->dtype)) + DimsToString(result->dims), c.expected)
        << c.what;
  }
}

TEST(ShapeInference, BadOperandsSayWhatWasExpected) {
  const AttentionAttributes heads{2, 0.5f, false}, causal{2, 0.5f, true};
  const std::vector<GoodCase> cases = {
      {"width",
       OpKind::kLinear,
       {F({B, 6}), F({4, 5})},
       {},
       "Linear: weight: expected [out, 6] for x 'v0' f32[batch, 6], found 'v1' f32[4, 5]"},
      {"rank", OpKind::kLinear, {F({B, 6}), F({4, 6, 1})}, {}, "weight: expected 2 dimensions"},
      {"scalar", OpKind::kLinear, {F({}), F({4, 6})}, {}, "x: expected at least 1 dimension"},
      {"bias",
       OpKind::kLinear,
       {F({B, 6}), F({4, 6}), F({6})},
       {},
       "bias: expected [4], found 'v2' f32[6]"},
      {"type", OpKind::kLinear, {I({B, 6}), F({4, 6})}, {}, "x: expected a float type"},
      {"absent",
       OpKind::kLinear,
       {F({B, 6}), std::nullopt},
       {},
       "input 1: expected a value, found none"},
      {"count", OpKind::kLinear, {F({B, 6})}, {}, "inputs: expected 2 to 3, found 1"},
      {"attributes", OpKind::kLinear, {F({B, 6}), F({4, 6})}, heads, "attributes: expected none"},
      {"wrong attributes",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3})},
       heads,
       "attributes: expected those of the op"},
      {"odd length",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3})},
       Conv1dAttributes{2, 1},
       "a length divisible by the stride 2"},
      {"too short",
       OpKind::kConv1d,
       {F({B, 2, 3}), F({8, 3, 5})},
       Conv1dAttributes{1, 1},
       "a padded length of at least the kernel's"},
      {"channels",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 4, 3})},
       Conv1dAttributes{},
       "weight: expected [out, 3, kernel >= 1]"},
      {"stride",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3})},
       Conv1dAttributes{0, 0},
       "stride: expected at least 1, found 0"},
      {"padding",
       OpKind::kConv1d,
       {F({B, P, 3}), F({8, 3, 3})},
       Conv1dAttributes{1, 3},
       "padding: expected 0 to kernel - 1, found 3"},
      {"gamma",
       OpKind::kLayerNorm,
       {F({T, 6}), F({5}), F({6})},
       LayerNormAttributes{},
       "gamma: expected [6]"},
      {"epsilon",
       OpKind::kLayerNorm,
       {F({T, 6}), F({6}), F({6})},
       LayerNormAttributes{-1},
       "epsilon: expected 0 to 1"},
      {"broadcast",
       OpKind::kAdd,
       {F({B, T, 6}), F({B, 6})},
       {},
       "b: expected a shape that broadcasts to a 'v0' f32[batch, tokens, 6], found 'v1' f32[batch, "
       "6]"},
      {"larger b", OpKind::kAdd, {F({6}), F({2, 6})}, {}, "b: expected a shape that broadcasts"},
      {"grow a", OpKind::kAdd, {F({1, 6}), F({2, 6})}, {}, "b: expected a shape that broadcasts"},
      {"batches",
       OpKind::kAttention,
       {F({B, T, 6}), F({T, P, 6}), F({B, P, 6})},
       heads,
       "key: expected [batch, positions, 6]"},
      {"lengths",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, P, 6}), F({B, P, 6}), F({B})},
       heads,
       "lengths: expected i32[batch]"},
      {"not square",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, P, 6}), F({B, P, 6})},
       causal,
       "key: expected the query's length tokens when causal"},
      {"heads",
       OpKind::kAttention,
       {F({B, T, 7}), F({B, P, 7}), F({B, P, 7})},
       heads,
       "width: expected a multiple of 2 heads, found 7"},
      {"no heads",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, P, 6}), F({B, P, 6})},
       AttentionAttributes{0, 1, false},
       "num_heads: expected at least 1"},
      {"scale",
       OpKind::kAttention,
       {F({B, T, 6}), F({B, P, 6}), F({B, P, 6})},
       AttentionAttributes{1, std::nanf(""), false},
       "scale: expected a positive number"},
      {"ids", OpKind::kGather, {F({9, 6}), F({T})}, {}, "ids: expected i32 with 1 dimension"},
      {"rows",
       OpKind::kCacheWrite,
       {F({4, 9, 6}), F({T, 5}), I({T}), I({T})},
       {},
       "rows: expected [tokens, 6]"},
      {"odd", OpKind::kMagnitude, {F({B, 5})}, {}, "x: expected an even last dimension"},
      {"symbolic", OpKind::kMagnitude, {F({B, T})}, {}, "x: expected an even last dimension"},
      {"too few rows",
       OpKind::kSlice,
       {F({2, 6})},
       SliceAttributes{1, 2},
       "x: expected at least 3 rows"},
      {"negative",
       OpKind::kSlice,
       {F({2, 6})},
       SliceAttributes{-1, 0},
       "front and back: expected 0 to"},
      {"no state",
       OpKind::kLstm,
       {F({T, B, 6}), F({12, 6}), F({12, 3}), F({12})},
       {},
       "input 4: expected a state, found none"},
      {"gates",
       OpKind::kLstm,
       {F({T, B, 6}), F({12, 6}), F({9, 3}), F({12}), F({2, B, 3})},
       {},
       "weight_hh: expected [4 h, h]"},
      {"input weight",
       OpKind::kLstm,
       {F({T, B, 6}), F({12, 5}), F({12, 3}), F({12}), F({2, B, 3})},
       {},
       "weight_ih: expected [12, 6]"},
      {"state",
       OpKind::kLstm,
       {F({T, B, 6}), F({12, 6}), F({12, 3}), F({12}), F({2, 1, 3})},
       {},
       "state: expected [2, batch, 3]"},
      {"slot",
       OpKind::kCacheWrite,
       {F({4, 9, 6}), F({T, 6}), I({B}), I({T})},
       {},
       "slot: expected i32[tokens]"},
      {"ragged keys",
       OpKind::kRaggedAttention,
       {F({T, 6}), F({P, 6}), F({T, 6}), I({4})},
       heads,
       "key: expected [tokens, 6]"},
      {"no offsets",
       OpKind::kRaggedAttention,
       {F({T, 6}), F({T, 6}), F({T, 6}), I({T})},
       heads,
       "offsets: expected i32[sequences + 1]"},
      {"ragged causal",
       OpKind::kRaggedAttention,
       {F({T, 6}), F({T, 6}), F({T, 6}), I({4})},
       causal,
       "causal: expected false"},
      {"caches differ",
       OpKind::kCachedAttention,
       {F({T, 6}), F({4, 9, 6}), F({4, 8, 6}), I({T}), I({T})},
       heads,
       "value_cache: expected [4, 9, 6]"},
      {"index",
       OpKind::kCachedAttention,
       {F({T, 6}), F({4, 9, 6}), F({4, 9, 6}), I({P, T}), I({T})},
       heads,
       "index: expected i32[tokens] or i32[tokens, positions]"},
      {"causal cache",
       OpKind::kCachedAttention,
       {F({T, 6}), F({4, 9, 6}), F({4, 9, 6}), I({T}), I({T})},
       causal,
       "causal: expected false"},
  };
  for (const GoodCase& c : cases) {
    auto result = Infer(c.op, c.operands, c.attributes);
    ASSERT_FALSE(result.ok()) << c.what;
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument) << c.what;
    EXPECT_THAT(result.status().message(), HasSubstr(c.expected)) << c.what;
  }
}

TEST(Dims, EvaluateAndPrint) {
  const DimBindings bindings = {{"n", 5}, {"huge", int64_t{1} << 40}, {"negative", -1}};
  EXPECT_EQ(*EvaluateDim(Dim(7), {}), 7);
  EXPECT_EQ(*EvaluateDim(Dim("n", 2, -3), bindings), 7);
  EXPECT_THAT(EvaluateDim(Dim("m"), bindings).status().message(), HasSubstr("'m' is not bound"));
  EXPECT_FALSE(EvaluateDim(Dim("n", 1, -6), bindings).ok());
  EXPECT_FALSE(EvaluateDim(Dim("huge", 2), bindings).ok());
  EXPECT_FALSE(EvaluateDim(Dim("negative"), bindings).ok());
  EXPECT_FALSE(EvaluateDim(Dim("n", int64_t{1} << 62), bindings).ok());
  EXPECT_EQ(DimsToString({3, Dim("n"), Dim("n", 2, 1), Dim("n", 1, -4)}), "[3, n, 2*n + 1, n - 4]");
  EXPECT_EQ(*EvaluateDims({Dim("n"), 2}, bindings), (Shape{5, 2}));
}

}  // namespace
}  // namespace tessera
