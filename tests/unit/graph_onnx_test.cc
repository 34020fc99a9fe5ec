// The structure of exported files, field by field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/protobuf_wire.h"
#include "graph/onnx/export.h"
#include "tests/unit/graph_samples.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<WireField> ReadAll(std::string_view data) {
  std::vector<WireField> fields;
  WireReader reader(data);
  while (true) {
    auto field = reader.Next();
    EXPECT_TRUE(field.ok()) << field.status().ToString();
    if (!field.ok() || !*field) return fields;
    fields.push_back(**field);
  }
}

class OnnxFile : public testing::Test {
 protected:
  OnnxFile()
      : path_(fs::path(testing::TempDir()) /
              (std::string("tessera_") +
               testing::UnitTest::GetInstance()->current_test_info()->name() + ".onnx")) {}
  ~OnnxFile() override {
    fs::remove(path_);
    fs::remove(path_.string() + ".data");
  }
  std::string Export(const Graph& graph, const OnnxExportOptions& options) {
    const Status status = ExportOnnx(graph, path_.string(), options);
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::ifstream file(path_, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static std::vector<std::string> OpTypes(std::string_view graph) {
    std::vector<std::string> types;
    for (const WireField& field : ReadAll(graph)) {
      if (field.number != 1) continue;
      for (const WireField& part : ReadAll(field.bytes)) {
        if (part.number == 4) types.emplace_back(part.bytes);
      }
    }
    return types;
  }
  static std::string_view GraphOf(std::string_view model) {
    for (const WireField& field : ReadAll(model)) {
      if (field.number == 7) return field.bytes;
    }
    return {};
  }
  fs::path path_;
};

TEST_F(OnnxFile, TwoConvolutionsNeedTwoTransposes) {
  samples::EncoderOptions options;
  options.layers = 0;
  options.lengths = false;
  const samples::Sample sample = samples::Encoder(options, 1);
  const std::string model = Export(sample.graph, {});
  EXPECT_THAT(OpTypes(GraphOf(model)),
              ElementsAre("Transpose", "Conv", "Div", "Erf", "Add", "Mul", "Mul", "Conv", "Div",
                          "Erf", "Add", "Mul", "Mul", "Transpose", "Add", "LayerNormalization"));
  EXPECT_THAT(model, HasSubstr("2*positions"));
  EXPECT_THAT(Export(sample.graph, {sample.sizes, false, OnnxWeights::kF32}),
              testing::Not(HasSubstr("positions")));
}

TEST_F(OnnxFile, SharedTableIsStoredOnce) {
  const samples::Sample sample = samples::Decoder({}, 1);
  const std::string model = Export(sample.graph, {});
  int tables = 0;
  for (const WireField& field : ReadAll(GraphOf(model))) {
    if (field.number != 5) continue;
    for (const WireField& part : ReadAll(field.bytes))
      tables += part.number == 8 && part.bytes.starts_with("embedding");
  }
  EXPECT_EQ(tables, 1);
}

TEST_F(OnnxFile, F16WeightsHalveTheFile) {
  samples::EncoderOptions options;
  options.width = 128;
  const samples::Sample sample = samples::Encoder(options, 1);
  const size_t f32 = Export(sample.graph, {}).size();
  const size_t f16 = Export(sample.graph, {{}, false, OnnxWeights::kF16}).size();
  EXPECT_LT(f16, f32 * 0.55);
}

TEST_F(OnnxFile, ErrorsLeaveNoFile) {
  const samples::Sample sample = samples::Decoder({}, 1);
  const Status symbol =
      ExportOnnx(sample.graph, path_.string(), {{{"frames", 1}}, false, OnnxWeights::kF32});
  EXPECT_THAT(
      symbol.message(),
      HasSubstr("ONNX export of graph 'decoder': graph 'decoder' has no dimension 'frames'"));
  GraphBuilder b("clash");
  const ValueId state = b.State("s", DType::kF32, {2});
  b.UpdateState(state, state);
  b.Output("past_s", state);
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  EXPECT_THAT(ExportOnnx(*graph, path_.string()).message(),
              HasSubstr("two inputs or outputs are named 'past_s'"));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(ExportOnnx(sample.graph, (path_ / "no" / "folder.onnx").string()).ok());
}

// The view claims more than its pointer holds: the refusal comes before any read.
TEST_F(OnnxFile, RefusesMoreThanTwoGigabytesInline) {
  const char byte = 0;
  GraphBuilder b("huge");
  b.Output("y",
           b.Gather("rows", b.Constant("table", View{&byte, DType::kI32, {int64_t{1} << 20, 600}}),
                    b.Input("ids", DType::kI32, {1})));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok());
  const Status status = ExportOnnx(*graph, path_.string());
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("set external_data"));
}

}  // namespace
}  // namespace tessera
