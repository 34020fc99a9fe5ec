// The public interfaces on a real model and a real recording, against openai-whisper's transcript
// of it.
#include "tessera/transcribe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tessera/c_api.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::HasSubstr;

fs::path SharedFolder() {
  const char* shared = std::getenv("TESSERA_SHARED");
  return shared != nullptr ? fs::path(shared) : fs::path(TESSERA_SOURCE_DIR) / "../shared";
}

class TranscribeApiTest : public testing::Test {
 protected:
  void SetUp() override {
    recording_ = (SharedFolder() / "data/en/misc/jfk.flac").string();
    if (!fs::exists(recording_)) GTEST_SKIP() << recording_ << " is not there";
    ModelOptions options;
    options.precision = Precision::kF32;
    if (const char* models = std::getenv("TESSERA_MODELS")) {
      options.model = (fs::path(models) / "whisper-base").string();
    }
    const Result<Model> model = Model::Load(options);
    if (!model.ok() && model.status().code() == StatusCode::kNotFound) {
      GTEST_SKIP() << "whisper-base is not installed";
    }
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_name_ = options.model;
    Result<Transcriber> transcriber = Transcriber::Create(*model);
    ASSERT_TRUE(transcriber.ok()) << transcriber.status().ToString();
    transcriber_ = std::make_unique<Transcriber>(std::move(transcriber).value());
    oracle_ = Json::parse(std::ifstream(SharedFolder() / "oracle/jfk.flac.b1.json"));
  }

  std::string recording_;
  std::string model_name_;
  std::unique_ptr<Transcriber> transcriber_;
  Json oracle_;
};

TEST_F(TranscribeApiTest, TextAndTimesAreOpenAiWhispers) {
  std::vector<Segment> seen;
  std::string language;
  TranscribeCallbacks callbacks;
  callbacks.on_segment = [&](const Segment& segment) { seen.push_back(segment); };
  callbacks.on_language = [&](std::string_view code, double) { language = code; };
  const Result<Transcript> transcript = transcriber_->TranscribeFile(recording_, {}, callbacks);
  ASSERT_TRUE(transcript.ok()) << transcript.status().ToString();
  EXPECT_EQ(transcript->text, oracle_["text"].get<std::string>());
  EXPECT_EQ(transcript->language, "en");
  EXPECT_EQ(language, "en");
  EXPECT_NEAR(transcript->duration, 11.0, 0.01);
  EXPECT_EQ(seen, transcript->segments);
  ASSERT_EQ(seen.size(), oracle_["segments"].size());
  for (size_t i = 0; i < seen.size(); ++i) {
    const Json& want = oracle_["segments"][i];
    EXPECT_EQ(seen[i].tokens, want["tokens"].get<std::vector<int>>());
    EXPECT_EQ(seen[i].start, want["start"].get<double>());
    EXPECT_EQ(seen[i].end, want["end"].get<double>());
    EXPECT_NEAR(seen[i].avg_logprob, want["avg_logprob"], 1e-3);
    EXPECT_NEAR(seen[i].no_speech_prob, want["no_speech_prob"], 1e-3);
    EXPECT_DOUBLE_EQ(seen[i].compression_ratio, want["compression_ratio"]);
  }
}

TEST_F(TranscribeApiTest, BeamSearchIsOpenAiWhispers) {
  const Json oracle =
      Json::parse(std::ifstream(SharedFolder() / "oracle/2033-164914-0005.flac.b5.json"));
  TranscribeOptions options;
  options.beam_size = 5;
  options.best_of = 5;
  // A recording whose greedy text differs.
  const std::string recording =
      (SharedFolder() / "data/en/librispeech_test_other/2033-164914-0005.flac").string();
  const Result<Transcript> transcript = transcriber_->TranscribeFile(recording, options);
  ASSERT_TRUE(transcript.ok()) << transcript.status().ToString();
  EXPECT_EQ(transcript->text, oracle["text"].get<std::string>());
}

TEST_F(TranscribeApiTest, SamplesAndPcmWork) {
  const std::vector<float> silence(16000, 0.0f);
  const Result<Transcript> from_samples = transcriber_->TranscribeSamples(silence);
  ASSERT_TRUE(from_samples.ok()) << from_samples.status().ToString();
  EXPECT_EQ(from_samples->duration, 1.0);
  const std::vector<std::byte> bytes(32000);
  const Result<Transcript> from_pcm = transcriber_->TranscribePcm(bytes, {});
  ASSERT_TRUE(from_pcm.ok()) << from_pcm.status().ToString();
  EXPECT_EQ(*from_pcm, *from_samples);
}

// A short recording is encoded shortened unless that is switched off; f32 stands for
// openai-whisper's text and is exact by itself.
TEST_F(TranscribeApiTest, ExactMeansWholeWindows) {
  ModelOptions options;
  options.precision = Precision::kInt8;
  options.model = model_name_;
  Result<Transcriber> int8 = Transcriber::Create(options);
  ASSERT_TRUE(int8.ok()) << int8.status().ToString();
  const auto run = [&](Transcriber& transcriber, std::optional<bool> exact) {
    TranscribeOptions transcribe;
    transcribe.language = "en";
    transcribe.clip_timestamps = {8.2, 10.4};
    transcribe.exact = exact;
    Result<Transcript> transcript = transcriber.TranscribeFile(recording_, transcribe);
    EXPECT_TRUE(transcript.ok()) << transcript.status().ToString();
    return std::move(transcript).value();
  };
  const Transcript whole = run(*transcriber_, true);
  EXPECT_THAT(whole.text, HasSubstr("what you can do for your country"));
  EXPECT_EQ(run(*transcriber_, std::nullopt), whole);
  const Transcript shortened = run(*transcriber_, false);
  EXPECT_EQ(shortened.text, whole.text);
  EXPECT_NE(shortened.segments.at(0).avg_logprob, whole.segments.at(0).avg_logprob);

  const Transcript whole8 = run(*int8, true);
  const Transcript shortened8 = run(*int8, std::nullopt);
  EXPECT_EQ(shortened8.text, whole8.text);
  EXPECT_NE(shortened8, whole8);
  EXPECT_EQ(run(*int8, false), shortened8);
}

TEST_F(TranscribeApiTest, ExactThroughC) {
  tessera_model_options model;
  tessera_model_options_init(&model);
  model.model = model_name_.c_str();
  model.precision = TESSERA_PRECISION_INT8;
  tessera_transcriber* transcriber = nullptr;
  ASSERT_EQ(tessera_transcriber_create(&model, &transcriber), TESSERA_OK) << tessera_last_error();
  const auto confidence = [&](int32_t exact) {
    const double clip[] = {8.2, 10.4};
    tessera_transcribe_options options;
    tessera_transcribe_options_init(&options);
    options.language = "en";
    options.clip_timestamps = clip;
    options.num_clip_timestamps = 2;
    options.exact = exact;
    tessera_transcript* transcript = nullptr;
    EXPECT_EQ(tessera_transcribe_file(transcriber, recording_.c_str(), &options, &transcript),
              TESSERA_OK);
    const double result = tessera_transcript_segment(transcript, 0)->avg_logprob;
    tessera_transcript_free(transcript);
    return result;
  };
  EXPECT_EQ(confidence(-1), confidence(0));
  EXPECT_NE(confidence(-1), confidence(1));
  tessera_transcriber_free(transcriber);
}

TEST_F(TranscribeApiTest, BadInputIsAnErrorAndTheTranscriberStaysUsable) {
  EXPECT_EQ(transcriber_->TranscribeFile("./no/such/file").status().code(), StatusCode::kNotFound);
  TranscribeOptions options;
  options.language = "klingon";
  EXPECT_EQ(transcriber_->TranscribeFile(recording_, options).status().code(),
            StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  const Result<Transcript> stopped =
      transcriber_->TranscribeFile(recording_, {}, {}, stop.get_token());
  ASSERT_TRUE(stopped.ok()) << stopped.status().ToString();
  EXPECT_TRUE(stopped->cancelled);
  EXPECT_TRUE(transcriber_->TranscribeFile(recording_).ok());
}

// Cancelled from its own callback: what was found is kept.
TEST_F(TranscribeApiTest, CancelsThroughC) {
  tessera_model_options model;
  tessera_model_options_init(&model);
  model.model = model_name_.c_str();
  model.precision = TESSERA_PRECISION_F32;
  tessera_transcriber* transcriber = nullptr;
  ASSERT_EQ(tessera_transcriber_create(&model, &transcriber), TESSERA_OK) << tessera_last_error();
  std::vector<float> samples(100 * 16000);
  tessera_transcribe_options options;
  tessera_transcribe_options_init(&options);
  options.language = "en";
  options.no_speech_threshold = std::nan("");
  options.mode = TESSERA_MODE_SEQUENTIAL;  // batched mode would find nothing to decode in silence
  options.user_data = transcriber;
  options.on_progress = [](double, double, void* data) {
    EXPECT_EQ(tessera_cancel(static_cast<tessera_transcriber*>(data)), TESSERA_OK);
  };
  tessera_transcript* transcript = nullptr;
  ASSERT_EQ(tessera_transcribe_samples(transcriber, samples.data(), samples.size(), &options,
                                       &transcript),
            TESSERA_OK);
  EXPECT_EQ(tessera_transcript_cancelled(transcript), 1);
  EXPECT_EQ(tessera_transcript_duration(transcript), 100);
  EXPECT_EQ(tessera_transcript_segment(transcript, tessera_transcript_num_segments(transcript)),
            nullptr);
  tessera_transcript_free(transcript);
  tessera_transcriber_free(transcriber);
}

std::string OutputOf(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string output;
  char buffer[4096];
  while (pipe && std::fgets(buffer, sizeof(buffer), pipe.get()) != nullptr) output += buffer;
  return output;
}

TEST_F(TranscribeApiTest, ExamplesPrintTheTranscript) {
  for (const std::string example : {EXAMPLE_CPP, EXAMPLE_C}) {
    const std::string output =
        OutputOf("'" + example + "' '" + recording_ + "' '" + model_name_ + "'");
    std::string text;
    std::vector<std::string> lines;
    std::istringstream stream(output);
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with("[")) text += line.substr(line.find(']') + 1);
      lines.push_back(line);
    }
    // In the machine's fastest precision: the words are the oracle's, where segments end may not
    // be.
    EXPECT_EQ(text, oracle_["text"].get<std::string>()) << example;
    ASSERT_GE(lines.size(), 2u) << example << "\n" << output;
    EXPECT_EQ(lines.back(), "en: " + std::to_string(lines.size() - 1) + " segments, 11.00 s")
        << example;
  }
}

}  // namespace
}  // namespace tessera
