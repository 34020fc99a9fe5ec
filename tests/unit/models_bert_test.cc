// Small random text encoders of every naming, as transformers wrote them: hidden states within the
// reference's own f32 error, and what is read from the folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "graph/interpreter.h"
#include "models/bert/load.h"
#include "models/bert/settings.h"
#include "models/bert/stages.h"
#include "models/family.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using kernels::Precision;
using testing::HasSubstr;

const std::string kFolder = TESSERA_SOURCE_DIR "/tests/golden/bert_random/";

struct Expected {
  Tensor ids, offsets, hidden, embeddings;
  double tolerance = 0;
};
Expected ReadExpected(const std::string& name) {
  Expected e;
  auto file = OpenSafetensors(kFolder + name + "/expected.safetensors");
  auto json = ParseJsonFile(kFolder + name + "/expected.json");
  EXPECT_TRUE(file.ok() && json.ok()) << file.status().ToString();
  e.ids = Tensor::CopyOf(file->Find("ids")->view);
  e.offsets = Tensor::CopyOf(file->Find("offsets")->view);
  e.hidden = Tensor::CopyOf(file->Find("hidden")->view);
  e.embeddings = Tensor::CopyOf(file->Find("embeddings")->view);
  e.tolerance = (*json)["hidden_tolerance"].get<double>();
  return e;
}

Tensor RunOnCpu(const BertFiles& files, const Expected& e, Precision precision) {
  const auto graph = BuildBertEncoder(files.config, files.weights);
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  CpuProvider provider(2);
  CompileOptions options;
  options.precision = precision;
  options.max_dims = {{"tokens", 64}, {"sequences", 8}};
  auto program = provider.Compile(*graph, options);
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  auto context = (*program)->NewContext();
  Tensor positions(DType::kI32, e.ids.shape());
  for (int64_t s = 0; s + 1 < e.offsets.size(); ++s)
    for (int32_t i = e.offsets.As<int32_t>()[s]; i < e.offsets.As<int32_t>()[s + 1]; ++i)
      positions.As<int32_t>()[i] =
          static_cast<int32_t>(files.config.position_offset) + i - e.offsets.As<int32_t>()[s];
  Tensor hidden(DType::kF32, {e.ids.size(), files.config.width});
  const NamedView in[] = {
      {"ids", e.ids.ViewOf()}, {"positions", positions.ViewOf()}, {"offsets", e.offsets.ViewOf()}};
  const NamedMutableView out[] = {{"hidden", hidden.MutableViewOf()}};
  const Status status = (*program)->Run(*context, nullptr, {in, out}, {});
  EXPECT_TRUE(status.ok()) << status.ToString();
  if (precision == Precision::kF32) {
    auto reference = Interpret(*graph,
                               {{"ids", e.ids.ViewOf()},
                                {"positions", positions.ViewOf()},
                                {"offsets", e.offsets.ViewOf()}},
                               nullptr);
    EXPECT_TRUE(reference.ok()) << reference.status().ToString();
    for (int64_t i = 0; i < hidden.size(); ++i)
      EXPECT_NEAR(reference->at("hidden").As<float>()[i], e.hidden.As<float>()[i], e.tolerance);
  }
  return hidden;
}

// As sentence-transformers pools, in the settings' way.
std::vector<double> Pool(const Tensor& hidden, int64_t begin, int64_t end,
                         const TextEncoderSettings& s) {
  const int64_t width = hidden.shape()[1];
  std::vector<double> v(width, 0.0);
  int64_t first = begin, last = end;
  if (s.pooling == EmbedPooling::kCls) last = begin + 1;
  if (s.pooling == EmbedPooling::kLast) first = end - 1;
  for (int64_t t = first; t < last; ++t)
    for (int64_t i = 0; i < width; ++i)
      v[i] += hidden.As<float>()[t * width + i] / static_cast<double>(last - first);
  double norm = 0;
  for (const double x : v) norm += x * x;
  if (s.normalize)
    for (double& x : v) x /= std::sqrt(norm);
  return v;
}

class RandomBert : public testing::TestWithParam<const char*> {};

TEST_P(RandomBert, GivesTheHiddenStatesOfTransformers) {
  const std::string name = GetParam();
  auto files = LoadBertSafetensors(kFolder + name);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const Expected e = ReadExpected(name);
  const Tensor hidden = RunOnCpu(*files, e, Precision::kF32);
  ASSERT_EQ(hidden.shape(), e.hidden.shape());
  for (int64_t i = 0; i < hidden.size(); ++i)
    ASSERT_NEAR(hidden.As<float>()[i], e.hidden.As<float>()[i], e.tolerance) << i;
}

TEST_P(RandomBert, GivesTheEmbeddingsOfItsSettings) {
  const std::string name = GetParam();
  auto files = LoadBertSafetensors(kFolder + name);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const auto settings = ReadTextEncoderSettings(kFolder + name, files->config.num_positions());
  ASSERT_TRUE(settings.ok()) << settings.status().ToString();
  EXPECT_EQ(settings->max_tokens, 40);
  const Expected e = ReadExpected(name);
  const struct {
    Precision precision;
    double cosine;  // at least; rows of 48 columns average less out than a real model's
  } cases[] = {{Precision::kF32, 1 - 1e-9}, {Precision::kBf16, 0.9998}, {Precision::kInt8, 0.997}};
  for (const auto& c : cases) {
    const Tensor hidden = RunOnCpu(*files, e, c.precision);
    for (int64_t s = 0; s + 1 < e.offsets.size(); ++s) {
      const auto v =
          Pool(hidden, e.offsets.As<int32_t>()[s], e.offsets.As<int32_t>()[s + 1], *settings);
      double dot = 0, a = 0, b = 0;
      for (size_t i = 0; i < v.size(); ++i) {
        const double want = e.embeddings.As<float>()[s * v.size() + i];
        dot += v[i] * want;
        a += v[i] * v[i];
        b += want * want;
      }
      EXPECT_GT(dot / std::sqrt(a * b), c.cosine) << PrecisionName(c.precision) << " text " << s;
      EXPECT_NEAR(std::sqrt(a), std::sqrt(b), 0.01 * std::sqrt(b)) << "normalised or not";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RandomBert,
                         testing::Values("bert", "bge", "e5", "xlmr", "roberta", "distilbert"),
                         [](const auto& i) { return std::string(i.param); });

// A folder that is changed file by file.
class BertFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-bert-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = JoinPath(root_, "model");
    std::filesystem::copy(kFolder + "bert", folder_, std::filesystem::copy_options::recursive);
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(root_).ok()); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, name), text).ok());
  }
  void Remove(const std::string& name) { ASSERT_TRUE(RemoveFile(JoinPath(folder_, name)).ok()); }
  // config.json with one value replaced (null: removed).
  void Edit(const std::string& key, const nlohmann::json& value) {
    auto config = ParseJsonFile(kFolder + "bert/config.json");
    ASSERT_TRUE(config.ok());
    if (value.is_null()) {
      config->erase(key);
    } else {
      (*config)[key] = value;
    }
    Write("config.json", config->dump());
  }
  Status LoadStatus() const { return LoadBertSafetensors(folder_).status(); }
  TextEncoderSettings Settings(int64_t positions = 40) const {
    auto s = ReadTextEncoderSettings(folder_, positions);
    EXPECT_TRUE(s.ok()) << s.status().ToString();
    return s.ok() ? *s : TextEncoderSettings();
  }
  Status SettingsStatus() const { return ReadTextEncoderSettings(folder_, 40).status(); }

  std::string root_, folder_;
};

TEST_F(BertFolder, TellsItsFamily) {
  EXPECT_EQ(*FindModelFamily(folder_), ModelFamily::kTextEncoder);
  Edit("model_type", "whisper");
  EXPECT_EQ(*FindModelFamily(folder_), ModelFamily::kWhisper);
  Edit("model_type", "mpnet");
  EXPECT_EQ(FindModelFamily(folder_).status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(FindModelFamily(folder_).status().message(), HasSubstr("\"mpnet\""));
  Write("config.json", "{");
  EXPECT_EQ(FindModelFamily(folder_).status().code(), StatusCode::kDataLoss);
  // A CTranslate2 folder has no model_type.
  Write("config.json", "{}");
  EXPECT_EQ(*FindModelFamily(folder_), ModelFamily::kWhisper);
  EXPECT_EQ(*FindModelFamily("some/model.onnx"), ModelFamily::kTextEncoder);
  EXPECT_EQ(*FindModelFamily("some/ggml-base.bin"), ModelFamily::kWhisper);
}

TEST_F(BertFolder, RefusesConfigurationsThatItCannotRun) {
  EXPECT_TRUE(LoadStatus().ok());
  for (const auto& [key, value] : std::vector<std::pair<const char*, nlohmann::json>>{
           {"hidden_act", "gelu_new"},
           {"position_embedding_type", "relative_key"},
           {"model_type", "mpnet"}}) {
    Edit(key, value);
    EXPECT_EQ(LoadStatus().code(), StatusCode::kUnimplemented) << key;
    EXPECT_THAT(LoadStatus().message(), HasSubstr(value.get<std::string>()));
  }
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, nlohmann::json>>{{"hidden_size", 0},
                                                           {"hidden_size", nullptr},
                                                           {"hidden_size", "48"},
                                                           {"hidden_size", 64},
                                                           {"num_hidden_layers", 3},
                                                           {"num_hidden_layers", 1 << 20},
                                                           {"num_attention_heads", 5},
                                                           {"num_attention_heads", 48},
                                                           {"vocab_size", 62},
                                                           {"intermediate_size", 81},
                                                           {"max_position_embeddings", 39},
                                                           {"type_vocab_size", 3},
                                                           {"layer_norm_eps", 2.0},
                                                           {"layer_norm_eps", "x"},
                                                           {"model_type", 7}}) {
    Edit(key, value);
    EXPECT_EQ(LoadStatus().code(), StatusCode::kDataLoss) << key << LoadStatus().ToString();
  }
  Remove("config.json");
  EXPECT_FALSE(LoadStatus().ok());
}

TEST_F(BertFolder, SettingsFollowTheFiles) {
  EXPECT_EQ(Settings(), (TextEncoderSettings{.max_tokens = 40}));
  // The shortest of what the files and the position table say.
  Write("sentence_bert_config.json", R"({"max_seq_length": 24})");
  Write("tokenizer_config.json", R"({"model_max_length": 16})");
  EXPECT_EQ(Settings().max_tokens, 24);
  EXPECT_EQ(Settings(20).max_tokens, 20);
  Write("sentence_bert_config.json", R"({"max_seq_length": null})");
  EXPECT_EQ(Settings().max_tokens, 16);
  Write("tokenizer_config.json", R"({"model_max_length": 1e30})");
  EXPECT_EQ(Settings().max_tokens, 40);
  for (const char* wrong : {"2", "-1", "\"x\"", "[]"}) {
    Write("sentence_bert_config.json", std::string(R"({"max_seq_length": )") + wrong + "}");
    EXPECT_EQ(SettingsStatus().code(), StatusCode::kDataLoss) << wrong;
  }
}

TEST_F(BertFolder, PromptsFollowTheFiles) {
  const std::string file = "config_sentence_transformers.json";
  Write(file, R"({"prompts": {"query": "Q: ", "document": "D: ", "passage": "P: "},
                  "default_prompt_name": "query"})");
  EXPECT_EQ(Settings().query_prompt, "Q: ");
  EXPECT_EQ(Settings().passage_prompt, "D: ");
  EXPECT_EQ(Settings().plain_prompt, "Q: ");
  Write(file, R"({"prompts": {"passage": "P: "}, "default_prompt_name": null})");
  EXPECT_EQ(Settings().passage_prompt, "P: ");
  EXPECT_EQ(Settings().plain_prompt, "");
  Write(file, R"({"prompts": {}, "default_prompt_name": "none"})");
  EXPECT_EQ(SettingsStatus().code(), StatusCode::kDataLoss);
  Write(file, R"({"prompts": []})");
  EXPECT_EQ(SettingsStatus().code(), StatusCode::kDataLoss);
}

TEST_F(BertFolder, NamesStandInForMissingFiles) {
  Remove("modules.json");
  EXPECT_EQ(Settings(), (TextEncoderSettings{.max_tokens = 40}));
  const auto called = [&](const std::string& name) {
    Edit("_name_or_path", name);
    return Settings();
  };
  EXPECT_EQ(called("BAAI/bge-small-en-v1.5").pooling, EmbedPooling::kCls);
  EXPECT_EQ(called("x/bgeish").pooling, EmbedPooling::kMean);
  EXPECT_EQ(called("intfloat/multilingual-E5-base").query_prompt, "query: ");
  EXPECT_EQ(called("intfloat/e5-small-v2").passage_prompt, "passage: ");
  EXPECT_EQ(called("intfloat/e5-small-v2").plain_prompt, "");
  EXPECT_EQ(called("intfloat/multilingual-e5-large-instruct").query_prompt, "");
  EXPECT_EQ(called("x/me5").query_prompt, "");
  // Its own prompts go before those of the name.
  Write("config_sentence_transformers.json", R"({"prompts": {"query": "Q: "}})");
  EXPECT_EQ(called("intfloat/e5-small-v2").query_prompt, "Q: ");
}

TEST_F(BertFolder, ModulesThatItDoesNotHaveAreRefused) {
  const auto module = [](const char* kind, const char* path) {
    return std::string(R"({"path": ")") + path + R"(", "type": "sentence_transformers.models.)" +
           kind + "\"}";
  };
  const std::string transformer = module("Transformer", ""),
                    pooling = module("Pooling", "1_Pooling");
  const auto with = [&](const std::string& list) {
    Write("modules.json", "[" + list + "]");
    return SettingsStatus();
  };
  EXPECT_TRUE(with(transformer + "," + pooling).ok());
  EXPECT_FALSE(Settings().normalize);
  EXPECT_TRUE(with(transformer + "," + pooling + "," + module("Normalize", "2")).ok());
  EXPECT_TRUE(Settings().normalize);
  const Status dense = with(transformer + "," + pooling + "," + module("Dense", "2_Dense"));
  EXPECT_EQ(dense.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(dense.message(), HasSubstr("Dense"));
  EXPECT_EQ(with(transformer).code(), StatusCode::kUnimplemented);
  EXPECT_EQ(with(pooling + "," + transformer).code(), StatusCode::kUnimplemented);
  EXPECT_EQ(with("7").code(), StatusCode::kUnimplemented);
  EXPECT_EQ(with(transformer + "," + module("Pooling", "../x")).code(), StatusCode::kDataLoss);
  EXPECT_EQ(with(transformer + "," + module("Pooling", "none")).code(), StatusCode::kNotFound);
  Write("modules.json", "{}");
  EXPECT_EQ(SettingsStatus().code(), StatusCode::kDataLoss);
}

TEST_F(BertFolder, PoolingsThatItDoesNotHaveAreRefused) {
  const auto with = [&](const std::string& text) {
    Write("1_Pooling/config.json", text);
    return SettingsStatus().code();
  };
  EXPECT_EQ(with(R"({"pooling_mode_cls_token": true})"), StatusCode::kOk);
  EXPECT_EQ(Settings().pooling, EmbedPooling::kCls);
  EXPECT_EQ(with(R"({"pooling_mode": "lasttoken"})"), StatusCode::kOk);
  EXPECT_EQ(Settings().pooling, EmbedPooling::kLast);
  EXPECT_EQ(with(R"({"pooling_mode_max_tokens": true})"), StatusCode::kUnimplemented);
  EXPECT_EQ(with(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})"),
            StatusCode::kUnimplemented);
  EXPECT_EQ(with("{}"), StatusCode::kUnimplemented);
  EXPECT_EQ(with("[]"), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace tessera
