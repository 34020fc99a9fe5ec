// Shape inference against the onnx package's (tools/golden/doctor_shapes.py).
#include "doctor/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "doctor/inline.h"
#include "formats/json.h"
#include "text/base64.h"

namespace tessera::doctor {
namespace {

using ::testing::HasSubstr;

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/";

// Counts dimensions that are the same; a fixed one of the oracle must not be another here.
void Compare(const ValueFacts& found, const nlohmann::json& expected, const std::string& what,
             int& same, int& missing) {
  EXPECT_EQ(found.type, expected[0].get<int>()) << what;
  const auto& dims = expected[1];
  if (!found.shape) {
    missing += static_cast<int>(dims.size());
    return;
  }
  ASSERT_EQ(found.shape->size(), dims.size()) << what << " " << found.ToString();
  for (size_t i = 0; i < dims.size(); ++i) {
    const auto value = dims[i].get<int64_t>();
    const Number& n = (*found.shape)[i];
    if (value < 0) continue;
    if (!n.is_int()) {
      ++missing;
      continue;
    }
    EXPECT_EQ(n.value(), value) << what << " " << found.ToString();
    ++same;
  }
}

TEST(DoctorInference, AgreesWithOnnxOnWholeGraphs) {
  const auto golden = ParseJsonFile(kGolden + "doctor/graphs.json");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  int same = 0, missing = 0;
  for (const auto& [file, values] : golden->items()) {
    auto model = ReadOnnx(kGolden + "onnx/" + file);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    // What the file says of its values is not to help.
    model->graph.value_info.clear();
    ASSERT_TRUE(InlineFunctions(*model).ok());
    const auto inferred = InferShapes(*model);
    ASSERT_TRUE(inferred.ok()) << inferred.status().ToString();
    EXPECT_TRUE(inferred->conflicts.empty()) << file << ": " << inferred->conflicts[0];
    for (const auto& [name, expected] : values.items())
      Compare(inferred->Find(name), expected, file + " " + name, same, missing);
  }
  EXPECT_GT(same, 3500);
  EXPECT_LT(missing, 40) << "of " << same;
}

TEST(DoctorInference, AgreesWithOnnxOnEveryOperator) {
  const auto golden = ParseJsonFile(kGolden + "doctor/nodes.json");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  int same = 0, missing = 0;
  std::set<std::string> ops;
  for (const auto& test : *golden) {
    std::string bytes;
    ASSERT_TRUE(DecodeBase64(test["model"].get<std::string>(), &bytes));
    const auto model = ParseOnnx(AsBytes(bytes), nullptr);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    const auto inferred = InferShapes(*model);
    ASSERT_TRUE(inferred.ok()) << inferred.status().ToString();
    EXPECT_TRUE(inferred->conflicts.empty()) << test["name"] << inferred->conflicts[0];
    for (const auto& [name, expected] : test["outputs"].items()) {
      if (inferred->Find(name).type == 0) continue;
      Compare(inferred->Find(name), expected, test["name"].get<std::string>(), same, missing);
      ops.insert(test["op"].get<std::string>());
    }
  }
  EXPECT_GT(ops.size(), 120u);
  EXPECT_GT(same, 600);
  EXPECT_LT(missing, 20);
}

TEST(DoctorInference, BoundDimensionsReachEveryValue) {
  const auto model = ReadOnnx(kGolden + "onnx/bert_sdpa_17.onnx");
  ASSERT_TRUE(model.ok());
  Bindings bind;
  for (const OnnxValueInfo& input : model->graph.inputs) {
    for (const OnnxDim& dim : *input.dims) {
      if (dim.value < 0) bind[std::string(dim.symbol)] = 7;
    }
  }
  ASSERT_FALSE(bind.empty());
  const auto inferred = InferShapes(*model, {bind});
  ASSERT_TRUE(inferred.ok());
  for (const OnnxNode& node : model->graph.nodes) {
    for (const std::string_view name : node.outputs)
      EXPECT_TRUE(inferred->Find(name).Static()) << name << inferred->Find(name).ToString();
  }
  const auto wrong = InferShapes(*model, {{{"no_such_dimension", 1}}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.status().message(), HasSubstr("no_such_dimension"));
}

TEST(DoctorNumber, LinearForms) {
  const Number seq = Number::Symbol("seq"), past = Number::Symbol("past");
  EXPECT_EQ(Add(Mul(seq, 2), 1).ToString(), "2*seq + 1");
  EXPECT_EQ(Sub(Add(seq, 3), seq).ToString(), "3");
  EXPECT_EQ(FloorDiv(Mul(seq, 8), 4).ToString(), "2*seq");
  EXPECT_TRUE(FloorDiv(Mul(seq, 8), seq).Is(8));
  EXPECT_EQ(Add(seq, past).ToString(), "past + seq");
  EXPECT_TRUE(Add(past, seq).Same(Add(seq, past)));
  EXPECT_FALSE(Number().Same(Number()));
  EXPECT_TRUE(FloorDiv(-7, 2).Is(-4));
  EXPECT_TRUE(CeilDiv(7, 2).Is(4));
  EXPECT_TRUE(FloorDiv(7, 0).unknown());
  EXPECT_TRUE(Mul(INT64_MAX, 2).unknown());
  EXPECT_TRUE(Add(INT64_MAX, 1).unknown());
  EXPECT_TRUE(FloorDiv(INT64_MIN, -1).unknown());
  EXPECT_EQ(Number::Symbol("a\nb").ToString(), "a?b");
}

}  // namespace
}  // namespace tessera::doctor
