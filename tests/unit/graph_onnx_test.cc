// The wire format, and the structure of exported files as our own reader sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "graph/onnx/export.h"
#include "graph/onnx/wire.h"
#include "tests/unit/graph_samples.h"

namespace tessera {
namespace {

using onnx::WireField;
using onnx::WireReader;
using onnx::WireType;
using onnx::WireWriter;
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

TEST(Wire, RoundTrip) {
  constexpr auto kMin = std::numeric_limits<int64_t>::min(),
                 kMax = std::numeric_limits<int64_t>::max();
  WireWriter writer;
  for (int64_t value :
       {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{-1}, kMin, kMax})
    writer.Int(3, value);
  writer.Float(4, -0.1f);
  writer.Bytes((1u << 29) - 1, "abc");
  writer.Bytes(5, "");
  const auto fields = ReadAll(writer.data());
  ASSERT_EQ(fields.size(), 10u);
  std::vector<int64_t> values;
  for (size_t i = 0; i < 7; ++i) values.push_back(fields[i].AsInt());
  EXPECT_THAT(values, ElementsAre(0, 1, 127, 128, -1, kMin, kMax));
  EXPECT_EQ(fields[7].AsFloat(), -0.1f);
  EXPECT_EQ(fields[8].number, (1u << 29) - 1);
  EXPECT_EQ(fields[8].bytes, "abc");
  EXPECT_EQ(fields[9].bytes, "");
}

// The two examples of the public description of the encoding.
TEST(Wire, KnownBytes) {
  WireWriter writer;
  writer.Int(1, 150);
  writer.Bytes(2, "testing");
  EXPECT_EQ(writer.data(), "\x08\x96\x01\x12\x07testing");
}

TEST(Wire, RefusesBrokenData) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"\x08", "ends inside a number"},
      {"\x08\x80", "ends inside a number"},
      {"\x08" + std::string(9, '\xFF') + "\x02", "more than 64 bits"},
      {"\x08" + std::string(10, '\xFF') + "\x01", "more than 64 bits"},
      {"\x12\x05"
       "abcd",
       "a field of 5 bytes passes the end"},
      {"\x12" + std::string(9, '\xFF') + "\x01", "passes the end"},
      {"\x0D"
       "abc",
       "ends inside a number"},
      {"\x09"
       "abcdefg",
       "ends inside a number"},
      {std::string("\x00\x01", 2), "bad field number"},
      {"\x80\x80\x80\x80\x10\x01", "bad field number"},
      {"\x0B", "expected wire type 0, 1, 2 or 5, found 3"},
  };
  for (const auto& [bytes, message] : cases) {
    auto field = WireReader(bytes).Next();
    ASSERT_FALSE(field.ok()) << message;
    EXPECT_EQ(field.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(field.status().message(), HasSubstr(message));
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
