#include "graph/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "graph/builder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct GoldenCase {
  std::string name, op;
  std::map<std::string, std::string> attributes;
  std::vector<Tensor> inputs;  // f32 scalar without data stands for "none": see `present`
  std::vector<bool> present;
  Tensor out;
};

Tensor ReadTensor(std::istringstream& line) {
  std::string type, shape_text;
  line >> type >> shape_text;
  Shape shape;
  std::istringstream sizes(shape_text.substr(1, shape_text.size() - 2));
  for (std::string size; std::getline(sizes, size, ',');) shape.push_back(std::stoll(size));
  Tensor tensor(type == "i32" ? DType::kI32 : DType::kF32, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (type == "i32") {
      line >> tensor.As<int32_t>()[i];
    } else {
      line >> tensor.As<float>()[i];
    }
  }
  EXPECT_TRUE(line) << "golden file is short of values";
  return tensor;
}

std::vector<GoldenCase> ReadGolden() {
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/golden/graph_ops.txt");
  std::vector<GoldenCase> cases;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string word;
    line >> word;
    if (word == "case") {
      GoldenCase& c = cases.emplace_back();
      line >> c.name >> c.op;
      while (line >> word) {
        const size_t at = word.find('=');
        c.attributes[word.substr(0, at)] = word.substr(at + 1);
      }
    } else if (text == "in none") {
      cases.back().inputs.emplace_back();
      cases.back().present.push_back(false);
    } else if (word == "in") {
      cases.back().inputs.push_back(ReadTensor(line));
      cases.back().present.push_back(true);
    } else {
      cases.back().out = ReadTensor(line);
    }
  }
  return cases;
}

OpKind OpOf(const std::string& name) {
  for (int op = 0; op <= static_cast<int>(OpKind::kRaggedAttention); ++op) {
    if (OpName(static_cast<OpKind>(op)) == name) return static_cast<OpKind>(op);
  }
  ADD_FAILURE() << "unknown op " << name;
  return OpKind::kAdd;
}

OpAttributes AttributesOf(const GoldenCase& c) {
  const auto number = [&](const char* key) { return std::stod(c.attributes.at(key)); };
  if (c.attributes.contains("stride")) {
    return Conv1dAttributes{static_cast<int64_t>(number("stride")),
                            static_cast<int64_t>(number("padding"))};
  }
  if (c.attributes.contains("epsilon")) {
    return LayerNormAttributes{static_cast<float>(number("epsilon"))};
  }
  if (c.attributes.contains("num_heads")) {
    return AttentionAttributes{static_cast<int64_t>(number("num_heads")),
                               static_cast<float>(number("scale")), number("causal") != 0};
  }
  if (c.attributes.contains("front")) {
    return SliceAttributes{static_cast<int64_t>(number("front")),
                           static_cast<int64_t>(number("back"))};
  }
  return {};
}

TEST(Interpreter, EveryOpMatchesNumpy) {
  const std::vector<GoldenCase> cases = ReadGolden();
  ASSERT_GE(cases.size(), 26u);
  std::map<std::string, int> seen;
  for (const GoldenCase& c : cases) {
    SCOPED_TRACE(c.name);
    ++seen[c.op];
    std::vector<View> inputs;
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      inputs.push_back(c.present[i] ? c.inputs[i].ViewOf() : View{});
    }
    auto out = InterpretNode(OpOf(c.op), AttributesOf(c), inputs);
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    ASSERT_EQ(out->shape(), c.out.shape());
    ASSERT_EQ(out->dtype(), c.out.dtype());
    for (int64_t i = 0; i < c.out.size(); ++i) {
      if (c.out.dtype() == DType::kI32) {
        EXPECT_EQ(out->As<int32_t>()[i], c.out.As<int32_t>()[i]);
      } else {
        const float want = c.out.As<float>()[i];
        EXPECT_NEAR(out->As<float>()[i], want, 1e-6f + 1e-6f * std::abs(want)) << "at " << i;
      }
    }
  }
  EXPECT_EQ(seen.size(), 15u) << "an op has no golden case";
}

Tensor Ints(std::vector<int32_t> values, Shape shape) {
  Tensor tensor(DType::kI32, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.As<int32_t>());
  return tensor;
}

Tensor Floats(std::vector<float> values, Shape shape) {
  Tensor tensor(DType::kF32, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.As<float>());
  return tensor;
}

TEST(Interpreter, WidensHalfFloats) {
  Tensor half(DType::kF16, {1, 2}), brain(DType::kBF16, {1});
  half.As<F16>()[0] = ToF16(1.5f);
  half.As<F16>()[1] = ToF16(-2.0f);
  brain.As<BF16>()[0] = ToBF16(0.25f);
  const Tensor x = Floats({2, 4}, {1, 2});
  auto y = InterpretNode(OpKind::kLinear, {}, {x.ViewOf(), half.ViewOf(), brain.ViewOf()});
  ASSERT_TRUE(y.ok()) << y.status().ToString();
  EXPECT_EQ(y->As<float>()[0], 3.0f - 8.0f + 0.25f);
}

TEST(Interpreter, RefusesIndicesOutOfRange) {
  const Tensor table = Floats({1, 2}, {2, 1}), cache = Tensor::Zeros(DType::kF32, {2, 3, 2});
  const Tensor q = Floats({1, 1}, {1, 2}), rows = Floats({1, 2, 3, 4}, {2, 2});
  for (int32_t id : {-1, 2}) {
    auto y = InterpretNode(OpKind::kGather, {}, {table.ViewOf(), Ints({id}, {1}).ViewOf()});
    ASSERT_FALSE(y.ok());
    EXPECT_THAT(y.status().message(), HasSubstr("ids[0]: expected 0 to 1"));
  }
  auto twice = InterpretNode(
      OpKind::kCacheWrite, {},
      {cache.ViewOf(), rows.ViewOf(), Ints({1, 1}, {2}).ViewOf(), Ints({2, 2}, {2}).ViewOf()});
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.status().message(), HasSubstr("two tokens write to slot 1, position 2"));
  const auto cached = [&](const Tensor& index, int32_t length) {
    return InterpretNode(OpKind::kCachedAttention, AttentionAttributes{},
                         {q.ViewOf(), cache.ViewOf(), cache.ViewOf(), index.ViewOf(),
                          Ints({length}, {1}).ViewOf()})
        .status();
  };
  EXPECT_THAT(cached(Ints({2}, {1}), 1).message(), HasSubstr("index[0]"));
  EXPECT_THAT(cached(Ints({0}, {1}), 4).message(), HasSubstr("length[0]: expected 0 to 3"));
  EXPECT_THAT(cached(Ints({0, 0}, {1, 2}), 3).message(), HasSubstr("expected 0 to 2"));
  // Entries behind the length are not read.
  EXPECT_TRUE(cached(Ints({0, 99}, {1, 2}), 1).ok());
  auto lengths =
      InterpretNode(OpKind::kAttention, AttentionAttributes{},
                    {cache.ViewOf(), cache.ViewOf(), cache.ViewOf(), Ints({1, 4}, {2}).ViewOf()});
  ASSERT_FALSE(lengths.ok());
  EXPECT_THAT(lengths.status().message(), HasSubstr("lengths[1]: expected 0 to 3"));
  const auto ragged = [&](std::vector<int32_t> offsets) {
    const auto count = static_cast<int64_t>(offsets.size());
    return InterpretNode(OpKind::kRaggedAttention, AttentionAttributes{},
                         {rows.ViewOf(), rows.ViewOf(), rows.ViewOf(),
                          Ints(std::move(offsets), {count}).ViewOf()})
        .status();
  };
  EXPECT_TRUE(ragged({0, 2}).ok());
  EXPECT_THAT(ragged({1, 2}).message(), HasSubstr("offsets[0]: expected 0 to 0, found 1"));
  EXPECT_THAT(ragged({0, 3}).message(), HasSubstr("offsets[1]: expected 0 to 2, found 3"));
  EXPECT_THAT(ragged({0, 2, 1}).message(), HasSubstr("offsets[2]: expected 2 to 2, found 1"));
}

// cache' = write(cache, x); y = rows of x picked by `pick`.
Graph CacheGraph() {
  GraphBuilder b("cache");
  const ValueId x = b.Input("x", DType::kF32, {Dim("tokens"), 2});
  const ValueId slot = b.Input("slot", DType::kI32, {Dim("tokens")});
  const ValueId position = b.Input("position", DType::kI32, {Dim("tokens")});
  const ValueId cache = b.State("cache", DType::kF16, {Dim("slots"), 3, 2});
  b.UpdateState(cache, b.CacheWrite("write", cache, x, slot, position));
  b.Output("y", b.Gelu("gelu", x));
  auto graph = b.Build();
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  return std::move(graph).value();
}

TEST(Interpreter, UpdatesStatesAndRoundsToTheirType) {
  const Graph graph = CacheGraph();
  std::map<std::string, Tensor> states;
  states.emplace("cache", Tensor::Zeros(DType::kF16, {2, 3, 2}));
  const Tensor x = Floats({1.0f, 1.0f / 3, 5, 6}, {2, 2});
  const Tensor slot = Ints({1, 0}, {2}), position = Ints({2, 0}, {2});
  auto out = Interpret(
      graph, {{"x", x.ViewOf()}, {"slot", slot.ViewOf()}, {"position", position.ViewOf()}},
      &states);
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  std::vector<float> cache;
  for (const F16 value : states.at("cache").Span<F16>()) cache.push_back(ToF32(value));
  EXPECT_THAT(cache, ElementsAre(5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1, ToF32(ToF16(1.0f / 3))));
  EXPECT_EQ(out->at("y").shape(), (Shape{2, 2}));
}

TEST(Interpreter, ErrorsKeepStatesAndNameTheValue) {
  const Graph graph = CacheGraph();
  std::map<std::string, Tensor> states;
  const Tensor x = Floats({1, 2, 3, 4}, {2, 2}), bad_x = Floats({1, 2, 3}, {1, 3});
  const Tensor slot = Ints({1, 9}, {2}), position = Ints({2, 0}, {2}), one = Ints({0}, {1});
  const auto run = [&](const Tensor& x_in, const Tensor& slot_in) {
    return Interpret(
               graph,
               {{"x", x_in.ViewOf()}, {"slot", slot_in.ViewOf()}, {"position", position.ViewOf()}},
               &states)
        .status()
        .message();
  };
  EXPECT_THAT(run(x, slot), HasSubstr("state 'cache' is missing"));
  states.emplace("cache", Tensor::Zeros(DType::kF16, {2, 3, 2}));
  EXPECT_THAT(run(x, slot), HasSubstr("node 'write': slot[1]: expected 0 to 1, found 9"));
  for (const F16 value : states.at("cache").Span<F16>()) EXPECT_EQ(value.bits, 0);
  EXPECT_THAT(run(bad_x, slot), HasSubstr("'x': expected f32[tokens, 2], found f32[1, 3]"));
  EXPECT_THAT(run(x, one), HasSubstr("tokens = 2 is given elsewhere"));
  EXPECT_THAT(Interpret(graph, {}, &states).status().message(), HasSubstr("input 'x' is missing"));
}

}  // namespace
}  // namespace tessera
