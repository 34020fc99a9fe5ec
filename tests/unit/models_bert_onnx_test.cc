// Text encoders imported from ONNX files of many exporters compute what ONNX Runtime does with the
// files (tools/golden/onnx_text_encoders.py), and other files are refused with the reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "formats/json.h"
#include "graph/interpreter.h"
#include "models/bert/import_onnx.h"
#include "models/bert/onnx/match.h"
#include "models/bert/stages.h"

namespace tessera {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/onnx/";

const json& Golden() {
  static const json golden = [] {
    auto parsed = ParseJsonFile(kGolden + "text_encoders.json", 8, 4 << 20);
    EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
    return parsed.ok() ? *parsed : json();
  }();
  return golden;
}

std::vector<float> Floats(const std::string& hex) {
  std::vector<float> values(hex.size() / 8);
  auto* bytes = reinterpret_cast<uint8_t*>(values.data());
  for (size_t i = 0; i < hex.size() / 2; ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return values;
}

View I32(const std::vector<int32_t>& values) {
  return {values.data(), DType::kI32, {static_cast<int64_t>(values.size())}};
}

// Hidden states of all texts in one ragged run of the reference interpreter.
Result<Tensor> HiddenOf(const BertFiles& files, const json& texts) {
  std::vector<int32_t> ids, positions, offsets = {0};
  for (const json& text : texts) {
    for (const json& id : text) {
      positions.push_back(static_cast<int32_t>(files.config.position_offset) +
                          static_cast<int32_t>(ids.size()) - offsets.back());
      ids.push_back(id.get<int32_t>());
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  TESSERA_ASSIGN_OR_RETURN(const Graph graph, BuildBertEncoder(files.config, files.weights));
  TESSERA_ASSIGN_OR_RETURN(
      auto outputs,
      Interpret(graph,
                {{"ids", I32(ids)}, {"positions", I32(positions)}, {"offsets", I32(offsets)}},
                nullptr));
  return std::move(outputs.at("hidden"));
}

TEST(BertOnnx, EveryExportComputesWhatOnnxRuntimeDoes) {
  const json& models = Golden()["models"];
  ASSERT_GE(models.size(), 15u);
  for (const auto& [name, golden] : models.items()) {
    SCOPED_TRACE(name);
    auto files = LoadBertOnnx(kGolden + name + ".onnx");
    EXPECT_TRUE(files.ok()) << files.status().ToString();
    if (!files.ok()) continue;
    auto hidden = HiddenOf(*files, golden["texts"]);
    ASSERT_TRUE(hidden.ok()) << hidden.status().ToString();
    std::vector<float> expected;
    for (const json& text : golden["hidden"]) {
      const std::vector<float> rows = Floats(text.get<std::string>());
      expected.insert(expected.end(), rows.begin(), rows.end());
    }
    ASSERT_EQ(hidden->size(), static_cast<int64_t>(expected.size()));
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(double{hidden->As<float>()[i]} - expected[i]));
    }
    // Hidden states are of size 1. ONNX Runtime computes in f32, with an erf of its own, and in f16
    // for the f16 file.
    EXPECT_LT(worst, name == "ort_f16" ? 2e-2 : 3e-5);
  }
}

TEST(BertOnnx, SizesAreTheFiles) {
  BertConfig expected;
  expected.vocab_size = expected.width = 32;
  expected.num_layers = expected.num_heads = 2;
  expected.mlp_width = expected.num_position_rows = 16;
  expected.num_token_types = 1;  // all tokens are of one type, whatever the table has
  expected.norm_epsilon = 1e-12f;
  for (const char* name :
       {"bert_eager_11", "bert_sdpa_18_dynamo", "ort_attention", "ort_session"}) {
    auto files = LoadBertOnnx(kGolden + name + ".onnx");
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    EXPECT_EQ(files->config, expected) << name;
  }
  expected.position_offset = 2;  // behind <pad>, which is 1
  auto files = LoadBertOnnx(kGolden + "xlmr_sdpa_17.onnx");
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ(files->config, expected);
  expected.position_offset = expected.num_token_types = 0;
  files = LoadBertOnnx(kGolden + "distilbert_sdpa_17.onnx");
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  EXPECT_EQ(files->config, expected);
}

TEST(BertOnnx, WeightsStayInTheFileAndInItsType) {
  auto model = ReadOnnx(kGolden + "ort_f16.onnx");
  ASSERT_TRUE(model.ok());
  auto files = ImportBertOnnx(*model);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const View& table = files->weights.token_embedding;
  EXPECT_EQ(table.dtype, DType::kF16);
  EXPECT_EQ(files->weights.layers[0].mlp_up.weight.dtype, DType::kF16);
  const Bytes file = model->files.at(0)->bytes();
  EXPECT_GE(table.data, file.data());
  EXPECT_LE(static_cast<const uint8_t*>(table.data) + table.bytes(), file.data() + file.size());
  files = LoadBertOnnx(kGolden + "bert_bf16.onnx");
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->weights.token_embedding.dtype, DType::kBF16);
}

TEST(BertOnnx, FindsTheFileOfAFolder) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "tessera_bert_onnx";
  fs::remove_all(folder);
  fs::create_directories(folder / "onnx");
  EXPECT_EQ(FindBertOnnx(folder.string()), "");
  EXPECT_EQ(LoadBertOnnx(folder.string()).status().code(), StatusCode::kNotFound);
  fs::copy_file(kGolden + "ort_f16.onnx", folder / "onnx" / "model.onnx");
  EXPECT_EQ(FindBertOnnx(folder.string()), (folder / "onnx/model.onnx").string());
  EXPECT_TRUE(LoadBertOnnx(folder.string()).ok());
  fs::copy_file(kGolden + "refused_tanh.onnx", folder / "model.onnx");
  EXPECT_EQ(FindBertOnnx(folder.string()), (folder / "model.onnx").string());
  fs::remove_all(folder);
}

TEST(BertOnnx, RefusesOtherExportsWithTheReason) {
  const json& refused = Golden()["refused"];
  ASSERT_GE(refused.size(), 3u);
  for (const auto& [name, message] : refused.items()) {
    auto files = LoadBertOnnx(kGolden + name + ".onnx");
    ASSERT_FALSE(files.ok()) << name;
    EXPECT_EQ(files.status().code(), StatusCode::kUnimplemented);
    EXPECT_THAT(files.status().message(), HasSubstr(message.get<std::string>()));
  }
}

// One change to a graph that imports: each makes it another function, so none may pass.
class ChangedGraph : public testing::Test {
 protected:
  ChangedGraph() {
    auto model = ReadOnnx(kGolden + "bert_eager_14.onnx");
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    if (model.ok()) model_ = *model;
  }

  OnnxNode& Node(std::string_view op, size_t index = 0) {
    for (OnnxNode& node : model_.graph.nodes) {
      if (node.op_type == op && index-- == 0) return node;
    }
    ADD_FAILURE() << "no node " << op;
    return model_.graph.nodes[0];
  }
  // The node that gives an input of `node`.
  OnnxNode& Source(const OnnxNode& node, size_t input) {
    for (OnnxNode& other : model_.graph.nodes) {
      if (other.outputs.at(0) == node.inputs.at(input)) return other;
    }
    ADD_FAILURE() << "no source of input " << input;
    return model_.graph.nodes[0];
  }
  // Puts a number into a Constant node.
  void Set(OnnxNode& constant, float value) {
    numbers_.push_back(std::make_unique<float>(value));
    OnnxTensor& tensor = constant.attributes.at(0).tensors.at(0);
    ASSERT_EQ(tensor.data.size(), sizeof(float));
    tensor.data = {reinterpret_cast<const uint8_t*>(numbers_.back().get()), sizeof(float)};
  }
  void ExpectRefusal(const char* message, StatusCode code = StatusCode::kUnimplemented) {
    auto files = ImportBertOnnx(model_);
    ASSERT_FALSE(files.ok()) << message;
    EXPECT_EQ(files.status().code(), code) << files.status().ToString();
    EXPECT_THAT(files.status().message(), HasSubstr(message));
  }

  OnnxModel model_;
  std::vector<std::unique_ptr<float>> numbers_;
};

TEST_F(ChangedGraph, AsItIsItPasses) { EXPECT_TRUE(ImportBertOnnx(model_).ok()); }

TEST_F(ChangedGraph, ScaleOfScores) {
  // Behind the LayerNorm of the embeddings, the scores are what is divided next.
  Set(Source(Node("Div", 1), 1), 5.0f);
  ExpectRefusal("expected scores scaled by 1/sqrt(16), found the scale 0.2");
}
TEST_F(ChangedGraph, ScaleOfErf) {
  Set(Source(Source(Node("Erf"), 0), 1), 1.5f);
  ExpectRefusal("(Erf): expected activations over the square root of 2");
}
TEST_F(ChangedGraph, HalfOfGelu) {
  // x / sqrt(2), erf, + 1, x *, * 0.5
  for (OnnxNode& node : model_.graph.nodes) {
    if (!node.Is("Mul") || model_.graph.FindInitializer(node.inputs.at(1)) != nullptr) continue;
    OnnxNode& factor = Source(node, 1);
    if (!factor.Is("Constant")) continue;
    const Bytes data = factor.attributes.at(0).tensors.at(0).data;
    float value = 0;
    std::memcpy(&value, data.data(), sizeof(value));
    if (value == 0.5f) Set(factor, 0.4f);
  }
  ExpectRefusal("a part of Gelu");
}
TEST_F(ChangedGraph, EpsilonOfOneNorm) {
  Set(Source(Source(Node("Sqrt", 2), 0), 1), 1e-5f);
  ExpectRefusal("expected one epsilon in all LayerNorms");
}
TEST_F(ChangedGraph, VarianceOfSomethingElse) {
  Node("Pow", 1).inputs[0] = Node("Pow").inputs[0];
  ExpectRefusal("quotient of a LayerNorm");
}
TEST_F(ChangedGraph, MaskThatHidesSeenTokens) {
  Set(Source(Node("Sub", 1), 0), 2.0f);
  ExpectRefusal("a mask of zeros for tokens that are seen");
}
TEST_F(ChangedGraph, SoftmaxOverQueries) {
  for (OnnxAttribute& attribute : Node("Softmax").attributes) attribute.i = 2;
  ExpectRefusal("(Softmax): expected attention scores, over the keys");
}
TEST_F(ChangedGraph, HeadsInPlaceOfTokens) {
  Node("Transpose").attributes.at(0).ints = {0, 1, 2, 3};
  ExpectRefusal("queries [heads, seq, head_dim]");
}
TEST_F(ChangedGraph, AttentionWithoutResidual) {
  // The first sum of two activations behind the first attention.
  const OnnxNode& norm = Node("ReduceMean", 2);
  OnnxNode& sum = Source(norm, 0);
  sum.inputs[0] = sum.inputs[1];
  ExpectRefusal("the output of an attention plus the input of the layer");
}
TEST_F(ChangedGraph, ValuesOfAnotherLayer) {
  // Queries, keys, values: the first three Linears.
  Node("MatMul", 2).inputs[0] = Node("ReduceMean").inputs[0];
  ExpectRefusal("queries, keys and values of the layer's input");
}
TEST_F(ChangedGraph, TypesAsTokens) {
  for (OnnxNode& node : model_.graph.nodes) {
    for (std::string_view& input : node.inputs) {
      if (input == "input_ids" && node.Is("Gather")) input = "token_type_ids";
    }
  }
  ExpectRefusal("(Add): expected known numbers within bounds, or activations");
}
TEST_F(ChangedGraph, UnknownOp) {
  Node("Erf", 1).op_type = "Mystery";
  ExpectRefusal("(Mystery): expected an op that BERT-family encoders consist of, found Mystery");
}
TEST_F(ChangedGraph, ValueThatNobodyGives) {
  Node("Erf").inputs[0] = "nowhere";
  ExpectRefusal("gives value 'nowhere', found none", StatusCode::kDataLoss);
}
TEST_F(ChangedGraph, OtherInput) {
  for (OnnxValueInfo& input : model_.graph.inputs) {
    if (input.name == "token_type_ids") input.name = "position_ids";
  }
  for (OnnxNode& node : model_.graph.nodes) {
    for (std::string_view& input : node.inputs) {
      if (input == "token_type_ids") input = "position_ids";
    }
  }
  ExpectRefusal("found 'position_ids', on which the output depends");
}
TEST_F(ChangedGraph, NoIds) {
  model_.graph.inputs.clear();
  ExpectRefusal("expected a text encoder with an input input_ids");
}

// External data of overlapping tensors would make a small file large.
TEST_F(ChangedGraph, CopiesAreBounded) {
  bert_onnx::Trace trace(model_);
  ASSERT_TRUE(trace.Run().ok());
  const int last = static_cast<int>(trace.layers().size()) - 1;
  ASSERT_TRUE(bert_onnx::MatchBert(trace, last, 1 << 20).ok());
  auto files = bert_onnx::MatchBert(trace, last, 1000);
  ASSERT_FALSE(files.ok());
  EXPECT_EQ(files.status().code(), StatusCode::kResourceExhausted);
}

// RoBERTa counts positions from behind the padding id, which the file names twice.
TEST(BertOnnx, PaddingIdsMustAgree) {
  auto model = ReadOnnx(kGolden + "xlmr_sdpa_17.onnx");
  ASSERT_TRUE(model.ok());
  ASSERT_TRUE(ImportBertOnnx(*model).ok());
  const int64_t other = 3;
  for (OnnxNode& node : model->graph.nodes) {
    if (!node.Is("Equal") || node.inputs.at(0) != "input_ids") continue;
    for (OnnxNode& source : model->graph.nodes) {
      if (source.outputs.at(0) != node.inputs.at(1)) continue;
      source.attributes.at(0).tensors.at(0).data = {reinterpret_cast<const uint8_t*>(&other), 8};
    }
  }
  auto files = ImportBertOnnx(*model);
  ASSERT_FALSE(files.ok());
  EXPECT_THAT(files.status().message(), HasSubstr("behind the padding id 3, found 2"));
}

}  // namespace
}  // namespace tessera
