#include "graph/onnx/initializers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "graph/builder.h"
#include "graph/onnx/export.h"
#include "graph/onnx/wire.h"

namespace tessera {
namespace {

using onnx::WireWriter;
using ::testing::HasSubstr;

// A model with one initialiser of f32 [2, 3].
std::string Model(const std::string& raw, const std::function<void(WireWriter&)>& dims,
                  int64_t type = 1, int copies = 1) {
  WireWriter tensor, graph, model;
  dims(tensor);
  tensor.Int(2, type);
  tensor.Bytes(8, "w");
  tensor.Bytes(9, raw);
  for (int i = 0; i < copies; ++i) graph.Bytes(5, tensor.data());
  model.Int(1, 8);
  model.Bytes(7, graph.data());
  return model.data();
}
void SingleDims(WireWriter& tensor) {
  tensor.Int(1, 2);
  tensor.Int(1, 3);
}

TEST(OnnxInitializers, ReadsWhatTheExporterWrites) {
  GraphBuilder b("g");
  const ValueId x = b.Input("x", DType::kF32, {Dim("n"), 3});
  Tensor w(DType::kF32, {2, 3});
  for (int i = 0; i < 6; ++i) w.As<float>()[i] = static_cast<float>(i) - 2.5f;
  b.Output("y", b.Linear("linear", x, b.Constant("weight", Tensor::CopyOf(w.ViewOf()))));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  const std::string path = testing::TempDir() + "initializers.onnx";
  ASSERT_TRUE(ExportOnnx(*graph, path, {}).ok());
  auto file = ReadOnnxInitializers(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(file->tensors.size(), 1u);
  const View& view = file->tensors.at("weight");
  EXPECT_EQ(view.dtype, DType::kF32);
  EXPECT_EQ(view.shape, (Shape{2, 3}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(LoadFloat(view.data, DType::kF32, i), w.As<float>()[i]);
}

TEST(OnnxInitializers, ReadsPackedDimensions) {
  const std::string model =
      Model(std::string(300 * 4, 'x'), [](WireWriter& t) { t.Bytes(1, "\xac\x02\x01"); });
  auto file = ParseOnnxInitializers(model, nullptr);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->tensors.at("w").shape, (Shape{300, 1}));
}

TEST(OnnxInitializers, LeavesOutOtherTypes) {
  auto file = ParseOnnxInitializers(Model(std::string(48, 'x'), SingleDims, 11), nullptr);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_TRUE(file->tensors.empty());
}

TEST(OnnxInitializers, RefusesWhatDoesNotFit) {
  const std::string raw(24, 'x');
  ASSERT_TRUE(ParseOnnxInitializers(Model(raw, SingleDims), nullptr).ok());
  struct Case {
    std::string model, message;
  };
  const Case cases[] = {
      {Model(raw.substr(1), SingleDims), "'w': 23 bytes do not fit f32[2, 3]"},
      {Model(raw + "xxxx", SingleDims), "bytes do not fit"},
      {Model(raw + "x", SingleDims), "'w': 25 bytes do not fit"},
      {Model(raw, SingleDims, 1, 2), "two initializers are named 'w'"},
      {Model("", [](WireWriter& t) { t.Int(1, -1); }), "do not fit"},
      {Model("",
             [](WireWriter& t) {
               for (int i = 0; i < 9; ++i) t.Int(1, 1);
             }),
       "more than 8 dimensions"},
      {Model("",
             [](WireWriter& t) {
               t.Int(1, int64_t{1} << 40);
               t.Int(1, int64_t{1} << 40);
             }),
       "do not fit"},
      {Model(raw, [](WireWriter& t) { t.Float(1, 2.0f); }), "wrong wire type"},
      {Model(raw, [](WireWriter& t) { t.Bytes(1, "\x80"); }), ""},
      {"", "found no graph"},
      {"\x3a\x7f", ""},
  };
  for (const Case& c : cases) {
    auto file = ParseOnnxInitializers(c.model, nullptr);
    ASSERT_FALSE(file.ok()) << c.message;
    EXPECT_EQ(file.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(file.status().message(), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace tessera
