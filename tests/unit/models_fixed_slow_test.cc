// Whole models on FixedProvider over vendors' libraries: on their CPU devices the results are those
// of our CPU provider, and Qualcomm's compiler takes every node. Libraries as tools/make_venv.sh
// npu installs them; skipped where they are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/file.h"
#include "formats/json.h"
#include "models/bert/model.h"
#include "models/whisper/load.h"
#include "models/whisper/model.h"
#include "models/whisper/stages.h"
#include "providers/cpu/provider.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "providers/openvino/backend.h"
#include "tests/unit/npu_venv.h"

namespace tessera {
namespace {

class FixedModelsTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Skips the test where the library or the model is not there.
  void Open(const std::string& model) {
    UseNpuVenv();
    Result<std::string> models = ModelsFolder();
    ASSERT_TRUE(models.ok());
    path_ = *models + "/" + model;
    if (!FolderExists(path_)) GTEST_SKIP() << "no model in " << path_;
    const auto backend = OpenBackend();
    if (!backend.ok() && (backend.status().code() == StatusCode::kNotFound ||
                          backend.status().code() == StatusCode::kUnimplemented))
      GTEST_SKIP() << backend.status().ToString();
    ASSERT_TRUE(backend.ok()) << backend.status().ToString();
    FixedProviderOptions options;
    options.require_all_nodes = true;
    fixed_ = std::make_shared<FixedProvider>(*backend, options, 2);
  }
  Result<std::shared_ptr<const FixedBackend>> OpenBackend() const {
    const std::string& name = GetParam();
    if (name.starts_with("openvino:")) return OpenOpenVinoBackend(name, {.threads = 2});
    OnnxRuntimeOptions options;
    options.threads = 2;
    options.worker = TESSERA_BINARY_DIR "/tessera";
    return OpenOnnxRuntimeBackend(name.substr(name.find(':') + 1), options);
  }

  static double Difference(std::span<const float> a, std::span<const float> b) {
    EXPECT_EQ(a.size(), b.size());
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i)
      worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
    return std::isfinite(worst) ? worst : 1e30;
  }

  std::string path_;
  std::shared_ptr<FixedProvider> fixed_;
};

// One session through a prompt of two rows at windows of different content, beams that share their
// past, and steps of all rows.
std::vector<std::vector<float>> Logits(WhisperSession& session, const Tensor& mel,
                                       const std::vector<int>& tokens) {
  std::vector<std::vector<float>> rows;
  const auto decode = [&](std::vector<TokenInput> inputs) {
    Result<View> logits = session.Decode(inputs, {});
    ASSERT_TRUE(logits.ok()) << logits.status().ToString();
    for (int64_t i = 0; i < logits->shape[0]; ++i) {
      const std::span<const float> row = logits->Rows(i, i + 1).Span<float>();
      rows.emplace_back(row.begin(), row.end());
    }
  };
  // A shorter window is encoded whole on devices of fixed shapes, so both are asked for that.
  EXPECT_TRUE(session.Encode(mel.ViewOf().Rows(0, 300), 0, {}, {}).ok());
  EXPECT_TRUE(session.Encode(mel.ViewOf(), 1, {}, {}).ok());
  session.BeginRow(0, 1);
  session.BeginRow(3, 0);
  std::vector<TokenInput> prompt;
  for (int i = 0; i < 3; ++i) {
    prompt.push_back({tokens[i], i, 0, i == 2});
    prompt.push_back({tokens[i], i, 3, i > 0});
  }
  decode(prompt);
  session.BeginRow(1, 1);
  session.BeginRow(2, 1);
  const int targets[] = {1, 2}, sources[] = {0, 0};
  session.ReorderRows(targets, sources);
  decode({{tokens[3], 3, 0, true}, {tokens[4], 3, 1, true}, {tokens[5], 3, 2, true}});
  const int first[] = {0, 1}, second[] = {1, 0};
  session.ReorderRows(first, second);
  decode({{tokens[6], 4, 0, true}, {tokens[7], 4, 1, true}, {tokens[8], 3, 3, true}});
  return rows;
}

TEST_P(FixedModelsTest, WhisperIsOurs) {
  ASSERT_NO_FATAL_FAILURE(Open("whisper-base"));
  if (IsSkipped()) return;
  Result<AudioClip> clip = DecodeFile(TESSERA_SOURCE_DIR "/tests/data/jfk.flac");
  ASSERT_TRUE(clip.ok());
  Result<LogMel> log_mel = LogMel::Create(*clip, 80);
  ASSERT_TRUE(log_mel.ok());
  Tensor mel(DType::kF32, {log_mel->content_frames(), 80});
  ASSERT_TRUE(log_mel->Frames(0, log_mel->content_frames(), mel.Span<float>()).ok());

  std::vector<std::vector<float>> logits[2];
  for (const bool fixed : {false, true}) {
    std::shared_ptr<const ExecutionProvider> provider = std::make_shared<CpuProvider>(2);
    if (fixed) provider = fixed_;
    auto model = WhisperModel::Load(path_, provider, {});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    auto session = (*model)->NewSession({.max_windows = 2, .max_rows = 4});
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    const WhisperTokenizer& tokenizer = (*model)->tokenizer();
    std::vector<int> tokens = {tokenizer.sot(), tokenizer.sot() + 1, tokenizer.timestamp_begin()};
    for (const int id : tokenizer.Encode(" And so my fellow Americans")) tokens.push_back(id);
    tokens.resize(9, tokenizer.timestamp_begin() + 50);
    ASSERT_NO_FATAL_FAILURE(logits[fixed] = Logits(**session, mel, tokens));
  }
  ASSERT_EQ(logits[0].size(), 9u);
  ASSERT_EQ(logits[1].size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    const double worst = Difference(logits[0][i], logits[1][i]);
    std::printf("row %zu: largest difference of logits %.3g\n", i, worst);
    // Logits are about 20; the goldens of openai-whisper have the same tolerance.
    EXPECT_LT(worst, 2e-3) << i;
    EXPECT_EQ(std::ranges::max_element(logits[0][i]) - logits[0][i].begin(),
              std::ranges::max_element(logits[1][i]) - logits[1][i].begin());
  }
}

TEST_P(FixedModelsTest, TextEncoderIsOurs) {
  ASSERT_NO_FATAL_FAILURE(Open("all-minilm-l6-v2"));
  if (IsSkipped()) return;
  auto json = ParseJsonFile(TESSERA_SOURCE_DIR "/tests/golden/embedding_texts.json");
  ASSERT_TRUE(json.ok());
  auto texts = (*json)["texts"].get<std::vector<std::string>>();
  texts.resize(40);
  std::vector<float> hidden[2];
  for (const bool fixed : {false, true}) {
    std::shared_ptr<const ExecutionProvider> provider = std::make_shared<CpuProvider>(2);
    if (fixed) provider = fixed_;
    auto encoder = TextEncoder::Load(path_, provider, {});
    ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
    auto session = (*encoder)->NewSession({});
    ASSERT_TRUE(session.ok());
    std::vector<int32_t> ids, offsets = {0};
    for (const std::string& text : texts) {
      const TokenizedText t =
          (*encoder)->tokenizer().Encode(text, (*encoder)->settings().max_tokens);
      ids.insert(ids.end(), t.ids.begin(), t.ids.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
    hidden[fixed].resize(ids.size() * static_cast<size_t>((*encoder)->width()));
    const Status status = (*session)->Run(ids, offsets, hidden[fixed]);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  const double worst = Difference(hidden[0], hidden[1]);
  std::printf("largest difference of hidden states %.3g\n", worst);
  EXPECT_LT(worst, 2e-5);
}

INSTANTIATE_TEST_SUITE_P(CpuDevices, FixedModelsTest,
                         ::testing::Values("onnxruntime:cpu", "openvino:cpu"),
                         [](const auto& info) {
                           return std::string(info.param == "openvino:cpu" ? "OpenVino"
                                                                           : "OnnxRuntime");
                         });

class QualcommTest : public FixedModelsTest {};

// Snapdragon X, with no node left to the CPU.
TEST_P(QualcommTest, CompilesEveryNode) {
  ASSERT_NO_FATAL_FAILURE(Open("whisper-base"));
  if (IsSkipped()) return;
  if (!FileExists(TESSERA_BINARY_DIR "/tessera"))
    GTEST_SKIP() << "no " TESSERA_BINARY_DIR "/tessera, which compiles";
  auto files = LoadWhisperFiles(path_);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  for (const std::string_view stage : kWhisperStages) {
    const auto graph = BuildWhisperStage(stage, files->config, files->weights);
    ASSERT_TRUE(graph.ok());
    CompileOptions options;
    options.max_dims = SingleTokenDims(*graph, files->config);
    const auto program = fixed_->Compile(*graph, options);
    ASSERT_TRUE(program.ok()) << stage << ": " << program.status().ToString();
    const StagePlacement& placement = (*program)->placement();
    EXPECT_TRUE(placement.emulated);
    EXPECT_EQ(placement.subgraphs, 1);
    EXPECT_GE(placement.nodes.size(), 12u);
    for (const NodePlacement& node : placement.nodes) {
      EXPECT_EQ(node.device, DeviceKind::kNpu) << node.name << ": " << node.reason;
    }
    std::printf("%s: %zu nodes, %.1f s\n", placement.stage.c_str(), placement.nodes.size(),
                placement.compile_seconds);
  }
  Result<std::string> models = ModelsFolder();
  if (!FolderExists(*models + "/all-minilm-l6-v2")) return;
  auto encoder = TextEncoder::Load(*models + "/all-minilm-l6-v2", fixed_, {});
  EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
}

INSTANTIATE_TEST_SUITE_P(SnapdragonX, QualcommTest, ::testing::Values("onnxruntime:qnn"),
                         [](const auto&) { return std::string("Emulated"); });

}  // namespace
}  // namespace tessera
