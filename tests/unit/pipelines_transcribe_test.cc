// The transcribe loop against openai-whisper's transcribe() on scripted windows
// (tools/golden/decoding.py).
#include "pipelines/transcribe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipelines/transcribe_loop.h"
#include "tests/unit/pipelines_fakes.h"

namespace tessera {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

// Answers the n-th Decode with the n-th step of a script, as the golden's fake model does, and
// compares every call.
class ScriptedDecoder : public WindowDecoder {
 public:
  ScriptedDecoder(const WhisperTokenizer& tokenizer, const Json& golden)
      : tokenizer_(tokenizer), config_(FakeConfig(golden["multilingual"])), golden_(golden) {}

  const WhisperTokenizer& tokenizer() const override { return tokenizer_; }
  const WhisperConfig& config() const override { return config_; }
  Status SetWindow(const MelSource& mel, int64_t begin, int64_t count, int64_t positions,
                   std::stop_token) override {
    EXPECT_EQ(positions, 0);  // all of them
    std::vector<float> frames(static_cast<size_t>(count * mel.num_mels()));
    num_frames_ = count;
    return mel.Frames(begin, count, frames);
  }
  Result<LanguageDetection> DetectLanguage(std::stop_token) override {
    EXPECT_EQ(num_frames_, 3000);  // filled up with the recording's silence, not cut
    return LanguageDetection{"de", {{"de", 0.7}, {"en", 0.2}, {"fr", 0.1}}};
  }
  Result<DecodingResult> Decode(const DecodingOptions& options, std::stop_token) override {
    TESSERA_RETURN_IF_ERROR(ValidateDecodingOptions(options));
    if (num_calls >= golden_["calls"].size())
      return Internal("more calls than openai-whisper makes");
    const Json& call = golden_["calls"][num_calls];
    SCOPED_TRACE("call " + std::to_string(num_calls));
    EXPECT_DOUBLE_EQ(options.temperature, call["temperature"]);
    EXPECT_EQ(options.prompt, call["prompt"].get<std::vector<int>>());
    EXPECT_EQ(num_frames_, call["num_frames"]);
    EXPECT_EQ(options.beam_size.value_or(0),
              call["beam_size"].is_null() ? 0 : int(call["beam_size"]));
    EXPECT_EQ(options.best_of.value_or(0), call["best_of"].is_null() ? 0 : int(call["best_of"]));
    EXPECT_EQ(options.task == TranscribeTask::kTranslate, call["task"] == "translate");

    const Json& script = golden_["script"];
    const Json& step = script[std::min(num_calls, script.size() - 1)];
    ++num_calls;
    DecodingResult result;
    result.language = options.language;
    result.tokens = step["tokens"].get<std::vector<int>>();
    result.avg_logprob = step.value("avg_logprob", -0.3);
    result.no_speech_prob = step.value("no_speech_prob", 0.01);
    result.compression_ratio = step.value("compression_ratio", 1.5);
    result.temperature = options.temperature;
    return result;
  }

  size_t num_calls = 0;

 private:
  const WhisperTokenizer& tokenizer_;
  const WhisperConfig config_;
  const Json& golden_;
  int64_t num_frames_ = 0;
};

std::optional<double> OrOff(const Json& options, const char* key, double otherwise) {
  if (!options.contains(key)) return otherwise;
  if (options[key].is_null()) return std::nullopt;
  return options[key].get<double>();
}

TranscribeOptions FromJson(const Json& golden) {
  const Json& json = golden["options"];
  TranscribeOptions options;
  if (golden["language"].is_string()) options.language = golden["language"];
  if (json.value("task", "") == "translate") options.task = TranscribeTask::kTranslate;
  if (json.contains("temperature")) options.temperatures = {json["temperature"].get<double>()};
  if (json.contains("beam_size")) options.beam_size = json["beam_size"].get<int>();
  if (json.contains("best_of")) options.best_of = json["best_of"].get<int>();
  if (json.contains("patience")) options.patience = json["patience"].get<double>();
  options.compression_ratio_threshold = OrOff(json, "compression_ratio_threshold", 2.4);
  options.logprob_threshold = OrOff(json, "logprob_threshold", -1.0);
  options.no_speech_threshold = OrOff(json, "no_speech_threshold", 0.6);
  options.condition_on_previous_text = json.value("condition_on_previous_text", true);
  if (json.contains("initial_prompt")) {
    options.initial_prompt = json["initial_prompt"].get<std::string>();
  }
  options.carry_initial_prompt = json.value("carry_initial_prompt", false);
  if (json.contains("clip_timestamps")) {
    const Json& clips = json["clip_timestamps"];
    options.clip_timestamps =
        clips.is_string()
            ? Json::parse("[" + clips.get<std::string>() + "]").get<std::vector<double>>()
            : clips.get<std::vector<double>>();
  }
  return options;
}

class TranscribeGoldenTest : public testing::TestWithParam<size_t> {};

TEST_P(TranscribeGoldenTest, SegmentsAsOpenAiWhisper) {
  const Json& golden = PipelineGolden("transcribe")["cases"][GetParam()];
  const WhisperTokenizer* tokenizer = InstalledTokenizer(golden["multilingual"]);
  if (tokenizer == nullptr) GTEST_SKIP() << "the model whose tokenizer is needed is not installed";
  ScriptedDecoder decoder(*tokenizer, golden);
  const FakeMel mel(golden["num_samples"].get<int64_t>() / 160);
  std::vector<Segment> seen;
  double done = 0;
  TranscribeCallbacks callbacks;
  callbacks.on_segment = [&](const Segment& segment) { seen.push_back(segment); };
  callbacks.on_progress = [&](double seconds, double) {
    EXPECT_GE(seconds, 0);
    done = seconds;
  };
  const Result<Transcript> result = Transcribe(decoder, mel, FromJson(golden), callbacks, {});
  ASSERT_TRUE(result.ok()) << result.status().ToString();

  EXPECT_EQ(decoder.num_calls, golden["calls"].size());
  EXPECT_EQ(result->text, golden["text"].get<std::string>());
  EXPECT_FALSE(result->cancelled);
  if (golden["language"].is_null()) {
    EXPECT_EQ(result->language, golden["result_language"].get<std::string>());
  }
  ASSERT_EQ(result->segments.size(), golden["segments"].size());
  EXPECT_EQ(seen, result->segments);
  for (size_t i = 0; i < seen.size(); ++i) {
    SCOPED_TRACE("segment " + std::to_string(i));
    const Json& want = golden["segments"][i];
    const Segment& segment = seen[i];
    EXPECT_EQ(segment.id, want["id"]);
    EXPECT_EQ(segment.seek, want["seek"]);
    EXPECT_EQ(segment.start, want["start"].get<double>());  // to the bit: the writers round
    EXPECT_EQ(segment.end, want["end"].get<double>());
    EXPECT_EQ(segment.text, want["text"].get<std::string>());
    EXPECT_EQ(segment.tokens, want["tokens"].get<std::vector<int>>());
    EXPECT_EQ(segment.temperature, want["temperature"].get<double>());
    EXPECT_EQ(segment.avg_logprob, want["avg_logprob"].get<double>());
    EXPECT_EQ(segment.compression_ratio, want["compression_ratio"].get<double>());
    EXPECT_EQ(segment.no_speech_prob, want["no_speech_prob"].get<double>());
    EXPECT_EQ(segment.has_words, want.contains("words"));
  }
  if (decoder.num_calls > 0) {
    EXPECT_LE(done, static_cast<double>(mel.content_frames()) / 100);
    EXPECT_GT(done, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TranscribeGoldenTest,
    testing::Range<size_t>(0, PipelineGolden("transcribe")["cases"].size()), [](const auto& info) {
      return PipelineGolden("transcribe")["cases"][info.param]["name"].template get<std::string>();
    });

class TranscribeTest : public testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = InstalledTokenizer(true);
    if (tokenizer_ == nullptr) GTEST_SKIP() << "whisper-base is not installed";
    session_.emplace(HashModel{.seed = 1, .eot_bias = 9}, FakeConfig(true), 5);
    decoder_.emplace(*session_, *tokenizer_);
  }
  const WhisperTokenizer* tokenizer_ = nullptr;
  std::optional<FakeSession> session_;
  std::optional<SessionWindowDecoder> decoder_;
};

// The scripted "model" is improbable everywhere, so windows go through every temperature.
TEST_F(TranscribeTest, SeedDecidesWhatIsSampled) {
  const FakeMel mel(6000);
  TranscribeOptions options;
  options.language = "en";
  options.best_of = 2;
  options.temperatures = {0.6, 1.0};
  options.sample_len = 12;
  const auto run = [&](uint64_t seed) {
    options.seed = seed;
    return Transcribe(*decoder_, mel, options, {}, {});
  };
  const Result<Transcript> first = run(7), again = run(7), other = run(8);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_FALSE(first->segments.empty());
  EXPECT_EQ(*first, *again);
  EXPECT_NE(first->segments, other->segments);
}

TEST_F(TranscribeTest, StopKeepsTheSegmentsBeforeIt) {
  const FakeMel mel(30000);
  TranscribeOptions options;
  options.language = "en";
  options.temperatures = {0.0};
  options.sample_len = 6;
  std::stop_source stop;
  TranscribeCallbacks callbacks;
  size_t seen = 0;
  callbacks.on_segment = [&](const Segment&) {
    if (++seen == 3) stop.request_stop();
  };
  const Result<Transcript> stopped =
      Transcribe(*decoder_, mel, options, callbacks, stop.get_token());
  ASSERT_TRUE(stopped.ok()) << stopped.status().ToString();
  EXPECT_TRUE(stopped->cancelled);
  EXPECT_EQ(stopped->segments.size(), seen);
  EXPECT_GE(seen, 3u);

  const Result<Transcript> whole = Transcribe(*decoder_, mel, options, {}, {});
  ASSERT_TRUE(whole.ok());
  ASSERT_GT(whole->segments.size(), seen);
  for (size_t i = 0; i < seen; ++i) EXPECT_EQ(stopped->segments[i], whole->segments[i]);

  session_->cancel_at = session_->num_decodes + 2;  // inside a window: that window is dropped
  const Result<Transcript> early = Transcribe(*decoder_, mel, options, {}, {});
  ASSERT_TRUE(early.ok());
  EXPECT_TRUE(early->cancelled);
  EXPECT_TRUE(early->segments.empty());
}

TEST_F(TranscribeTest, DetectsTheLanguageOnceAndTellsIt) {
  const FakeMel mel(100);
  TranscribeOptions options;
  options.temperatures = {0.0};
  options.sample_len = 4;
  std::string told;
  TranscribeCallbacks callbacks;
  callbacks.on_language = [&](std::string_view code, double probability) {
    told = code;
    EXPECT_GT(probability, 0);
  };
  const Result<Transcript> result = Transcribe(*decoder_, mel, options, callbacks, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->language, told);
  ASSERT_EQ(result->language_probs.size(), 99u);
  EXPECT_EQ(result->language_probs[0].first, told);
  EXPECT_EQ(session_->num_encodes, 2);  // with silence behind it, then with zeros
}

TEST_F(TranscribeTest, RefusesOptionsBeforeAnyWork) {
  const FakeMel mel(3000);
  const auto message = [&](const TranscribeOptions& options) {
    const Result<Transcript> result = Transcribe(*decoder_, mel, options, {}, {});
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    return result.status().message();
  };
  TranscribeOptions options;
  options.language = "klingon";
  EXPECT_THAT(message(options), HasSubstr("klingon"));
  options.language = "cantonese";  // a language of larger models
  EXPECT_THAT(message(options), HasSubstr("cantonese"));
  options.language = "en";
  options.temperatures = {};
  EXPECT_THAT(message(options), HasSubstr("temperatures"));
  options.temperatures = {0.0};
  options.patience = 2.0;
  EXPECT_THAT(message(options), HasSubstr("patience"));
  options.patience.reset();
  options.clip_timestamps = {-1.0};
  EXPECT_THAT(message(options), HasSubstr("clip_timestamps"));
  options.clip_timestamps = {std::nan("")};
  EXPECT_THAT(message(options), HasSubstr("clip_timestamps"));
  EXPECT_EQ(session_->num_encodes, 0);
}

TEST_F(TranscribeTest, ClipsEndWithTheRecordingAndEveryWindowAdvances) {
  TranscribeOptions options;
  options.clip_timestamps = {0, 1000, 5000, 6000};
  const FakeMel mel(4000);
  auto loop = TranscribeLoop::Create(*tokenizer_, FakeConfig(true), options, mel.content_frames());
  ASSERT_TRUE(loop.ok());
  DecodingResult stuck;  // without the timestamp rules a model may say this
  stuck.tokens = {50364, 50364};
  std::vector<int64_t> seeks;
  while (const auto window = loop->NextWindow()) {
    seeks.push_back(window->seek);
    ASSERT_LE(seeks.size(), 3u);
    loop->Accept(stuck);
  }
  EXPECT_EQ(seeks, (std::vector<int64_t>{0, 3000}));
  EXPECT_EQ(loop->frames_done(), 4000);
}

TEST(NeedsFallbackTest, ComparesStrictly) {
  const TranscribeOptions options;
  DecodingResult result;
  result.avg_logprob = -1.0;
  result.compression_ratio = 2.4;
  EXPECT_FALSE(NeedsFallback(result, options));
  result.avg_logprob = -1.001;
  EXPECT_TRUE(NeedsFallback(result, options));
  result.no_speech_prob = 0.6;
  EXPECT_TRUE(NeedsFallback(result, options));
  result.no_speech_prob = 0.601;
  EXPECT_FALSE(NeedsFallback(result, options));
  result.avg_logprob = -0.5;
  result.compression_ratio = 2.41;
  EXPECT_TRUE(NeedsFallback(result, options));
}

}  // namespace
}  // namespace tessera
