// Windows that a session encodes shortened: what they say, by openai-whisper
// (tools/golden/whisper_short_window.py), and that nothing else has a part in it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/file.h"
#include "formats/json.h"
#include "models/whisper/model.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

class ShortWindowSessionTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Result<std::string> models = ModelsFolder();
    ASSERT_TRUE(models.ok());
    const std::string path = *models + "/" + GetParam();
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model in " << path;
    Result<nlohmann::json> json =
        ParseJsonFile(TESSERA_SOURCE_DIR "/tests/golden/whisper_short_window.json");
    ASSERT_TRUE(json.ok()) << json.status().ToString();
    positions_ = (*json)["positions"];
    golden_ = (*json)["models"][GetParam()];
    auto model = WhisperModel::Load(path, std::make_shared<CpuProvider>(2), {});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    auto session = (*model)->NewSession({.max_windows = 3, .max_rows = 2});
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    session_ = std::move(session).value();

    Result<AudioClip> clip = DecodeFile(TESSERA_SOURCE_DIR "/tests/data/jfk.flac");
    ASSERT_TRUE(clip.ok()) << clip.status().ToString();
    whole_ = Mel(*clip);
    std::vector<int16_t> samples((*json)["samples"].get<size_t>());
    ASSERT_TRUE(clip->Read(0, samples).ok());
    short_ = Mel(AudioClip::FromSamples(std::move(samples)));
    ASSERT_EQ(short_.shape()[0], golden_["frames"].get<int64_t>());
  }

  Tensor Mel(const AudioClip& clip) {
    const auto num_mels = static_cast<int>(session_->config().num_mels);
    Result<LogMel> log_mel = LogMel::Create(clip, num_mels);
    EXPECT_TRUE(log_mel.ok());
    Tensor mel(DType::kF32, {log_mel->content_frames(), num_mels});
    EXPECT_TRUE(log_mel->Frames(0, log_mel->content_frames(), mel.Span<float>()).ok());
    return mel;
  }

  Status Encode(const Tensor& mel, int window, int64_t positions) {
    return session_->Encode(mel.ViewOf(), window, {.positions = positions}, {});
  }

  // Of each token after the prompt, the logits that it was chosen from.
  std::vector<std::vector<float>> Logits(int window) {
    const auto tokens = golden_["tokens"].get<std::vector<int32_t>>();
    const int prompt = golden_["prompt"];
    session_->BeginRow(0, window);
    std::vector<TokenInput> inputs;
    for (int32_t i = 0; i + 1 < static_cast<int32_t>(tokens.size()); ++i) {
      inputs.push_back({tokens[static_cast<size_t>(i)], i, 0, i + 1 >= prompt});
    }
    Result<View> logits = session_->Decode(inputs, {});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    std::vector<std::vector<float>> rows;
    const int64_t vocab_size = session_->config().vocab_size;
    for (int64_t i = 0; i < logits->shape[0]; ++i) {
      const float* row = logits->As<float>() + i * vocab_size;
      rows.emplace_back(row, row + vocab_size);
    }
    return rows;
  }

  std::unique_ptr<WhisperSession> session_;
  nlohmann::json golden_;
  int64_t positions_ = 0;
  Tensor whole_, short_;  // mels of 11 s and of its first seconds
};

TEST_P(ShortWindowSessionTest, SaysWhatOpenaiWhisperSays) {
  ASSERT_TRUE(Encode(short_, 0, positions_).ok());
  const auto logits = Logits(0);
  const auto& steps = golden_["steps"];
  ASSERT_EQ(logits.size(), steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto ids = steps[i]["ids"].get<std::vector<size_t>>();
    const auto values = steps[i]["values"].get<std::vector<float>>();
    for (size_t j = 0; j < ids.size(); ++j) {
      EXPECT_NEAR(logits[i][ids[j]], values[j], 2e-3) << "step " << i << ", token " << ids[j];
    }
  }
}

TEST_P(ShortWindowSessionTest, NothingElseHasAPartInIt) {
  ASSERT_TRUE(Encode(short_, 0, positions_).ok());
  const auto alone = Logits(0);
  // In a place that held more, beside places that hold more.
  ASSERT_TRUE(Encode(whole_, 1, 0).ok());
  ASSERT_TRUE(Encode(whole_, 2, 0).ok());
  const auto neighbour = Logits(2);
  ASSERT_TRUE(Encode(short_, 1, positions_).ok());
  EXPECT_EQ(Logits(1), alone);
  EXPECT_EQ(Logits(2), neighbour);
  // The length does.
  ASSERT_TRUE(Encode(short_, 1, positions_ + 50).ok());
  EXPECT_NE(Logits(1), alone);
}

TEST_P(ShortWindowSessionTest, TheContentHasToFit) {
  ASSERT_TRUE(Encode(short_, 0, short_.shape()[0] / 2).ok());
  const Status status = Encode(short_, 0, short_.shape()[0] / 2 - 1);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("up to 198"), std::string::npos) << status.ToString();
}

// In int8: what is left out of a row changes nothing else, and leaders can be had exactly.
TEST_P(ShortWindowSessionTest, LeavesOutAndScoresAgain) {
  Result<std::string> models = ModelsFolder();
  auto model = WhisperModel::Load(*models + "/" + GetParam(), std::make_shared<CpuProvider>(2),
                                  {.precision = kernels::Precision::kInt8});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  auto session = (*model)->NewSession({.max_windows = 1, .max_rows = 3});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  ASSERT_TRUE((*session)->Encode(short_.ViewOf(), 0, {}, {}).ok());
  const auto vocab_size = static_cast<size_t>((*session)->config().vocab_size);
  const int eot = (*model)->tokenizer().eot(), sot = (*model)->tokenizer().sot();
  const auto decode = [&](int middle_from) {
    for (int row = 0; row < 3; ++row) (*session)->BeginRow(row, 0);
    const TokenInput inputs[] = {
        {sot, 0, 0, true}, {sot + 1, 0, 1, true, middle_from}, {sot + 2, 0, 2, true}};
    Result<View> logits = (*session)->Decode(inputs, {});
    EXPECT_TRUE(logits.ok()) << logits.status().ToString();
    const std::span<const float> values = logits->Span<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> all = decode(0);
  std::vector<float> some = decode(eot);
  std::copy_n(all.begin() + vocab_size, eot, some.begin() + vocab_size);
  EXPECT_EQ(some, all);

  std::vector<int> ids;
  for (int id = 0; id < static_cast<int>(vocab_size); id += 97) ids.push_back(id);
  std::vector<float> exact(ids.size());
  ASSERT_TRUE((*session)->rescores());
  float largest_error = 0;
  for (int row = 0; row < 3; ++row) {
    (*session)->Rescore(row, ids, exact);
    for (size_t i = 0; i < ids.size(); ++i)
      largest_error = std::max(largest_error, std::fabs(exact[i] - all[row * vocab_size + ids[i]]));
  }
  EXPECT_GT(largest_error, 0);
  EXPECT_LT(largest_error, 0.5f);  // half of what pipelines/rescoring.h takes for a lead
  EXPECT_FALSE(session_->rescores()) << "in f32 there is nothing to gain";
}

INSTANTIATE_TEST_SUITE_P(Models, ShortWindowSessionTest,
                         testing::Values("whisper-base", "whisper-tiny.en"), [](const auto& info) {
                           return std::string(info.param == "whisper-base" ? "base" : "tiny_en");
                         });

}  // namespace
}  // namespace tessera
