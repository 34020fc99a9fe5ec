// Windows of little content: how long they are encoded, what is checked, and when they are decoded
// again on the whole window.
#include "pipelines/encoder_length.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "pipelines/transcribe.h"
#include "tests/unit/pipelines_fakes.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(ShortEncoderPositionsTest, ContentAndSilenceUpToTheNextSecond) {
  const WhisperConfig config = FakeConfig(true);
  const std::pair<int64_t, int64_t> table[] = {{0, 250},   {1, 300},   {100, 300},  {101, 350},
                                               {200, 350}, {500, 500}, {1000, 750}, {1700, 1100},
                                               {1701, 0},  {2999, 0},  {3000, 0}};
  for (const auto& [frames, positions] : table) {
    EXPECT_EQ(ShortEncoderPositions(config, frames), positions) << frames << " frames";
  }
}

constexpr int kTimestampBegin = 50364;

DecodingResult Good() {
  DecodingResult result;
  result.tokens = {kTimestampBegin, 1000, 1001, kTimestampBegin + 95};
  result.avg_logprob = -0.3;
  result.no_speech_prob = 0.1;
  result.compression_ratio = 1.2;
  return result;
}

class NeedsWholeWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = InstalledTokenizer(true);
    if (tokenizer_ == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  }
  bool Doubts(const DecodingResult& result, bool with_timestamps = true,
              int64_t num_frames = 301) const {
    return NeedsWholeWindow(result, with_timestamps, num_frames, *tokenizer_, FakeConfig(true));
  }
  const WhisperTokenizer* tokenizer_ = nullptr;
};

TEST_F(NeedsWholeWindowTest, ByProbabilitiesAndRepetition) {
  EXPECT_FALSE(Doubts(Good()));
  DecodingResult result = Good();
  result.avg_logprob = -0.6;
  result.no_speech_prob = 0.6;
  result.compression_ratio = 2.4;
  EXPECT_FALSE(Doubts(result));  // on the limits
  result = Good();
  result.avg_logprob = -0.61;
  EXPECT_TRUE(Doubts(result));
  // Below 3 s a few tokens decide the average.
  EXPECT_TRUE(Doubts(result, true, 299));
  EXPECT_FALSE(Doubts(result, true, 298));
  result.avg_logprob = -0.8;
  EXPECT_FALSE(Doubts(result, true, 298));
  result.avg_logprob = -0.81;
  EXPECT_TRUE(Doubts(result, true, 298));
  result = Good();
  result.no_speech_prob = 0.61;
  EXPECT_TRUE(Doubts(result));
  result = Good();
  result.compression_ratio = 2.41;
  EXPECT_TRUE(Doubts(result));
  EXPECT_TRUE(Doubts(result, /*with_timestamps=*/false));
}

TEST_F(NeedsWholeWindowTest, ByAPhraseThatFollowsItself) {
  DecodingResult result = Good();
  const int end = result.tokens.back();
  result.tokens = {kTimestampBegin, 9, 1, 2, 3, 4, 1, 2, 3, end};
  EXPECT_FALSE(Doubts(result));
  result.tokens = {kTimestampBegin, 9, 1, 2, 3, 4, 1, 2, 3, 4, end};
  EXPECT_TRUE(Doubts(result));
  result.tokens = {kTimestampBegin, 9, 1, 2, 3, 4, end, end, 1, 2, 3, 4, end};
  EXPECT_TRUE(Doubts(result));
  result.tokens = {kTimestampBegin, 1, 2, 3, 1, 2, 3, end};  // "no, no, no" is speech
  EXPECT_FALSE(Doubts(result));
}

TEST_F(NeedsWholeWindowTest, ByTheLastTimestamp) {
  DecodingResult result = Good();
  result.tokens.back() = kTimestampBegin + 151 + 50;  // a second behind the content's 151 positions
  EXPECT_FALSE(Doubts(result));
  ++result.tokens.back();
  EXPECT_TRUE(Doubts(result));
  EXPECT_FALSE(Doubts(result, /*with_timestamps=*/false));
  result.tokens.back() = 1002;  // stopped in the middle of a text
  EXPECT_TRUE(Doubts(result));
  EXPECT_FALSE(Doubts(result, /*with_timestamps=*/false));
  result.tokens = Good().tokens;
  result.tokens.push_back(result.tokens.back());  // another segment begins there
  EXPECT_TRUE(Doubts(result));
  result.tokens = {kTimestampBegin};
  EXPECT_TRUE(Doubts(result));
  result.tokens.clear();
  EXPECT_TRUE(Doubts(result));
}

TEST(NeedsWholeWindowLanguageTest, ByProbability) {
  EXPECT_FALSE(NeedsWholeWindow(LanguageDetection{"de", {{"de", 0.8}, {"en", 0.2}}}));
  EXPECT_TRUE(NeedsWholeWindow(LanguageDetection{"de", {{"de", 0.79}, {"en", 0.21}}}));
}

// Answers a shortened window with `on_short`, a whole one with `on_whole`, and keeps a list of what
// was asked.
class TwoLengthsDecoder : public WindowDecoder {
 public:
  using Window = std::tuple<int64_t, int64_t, int64_t>;  // begin, frames, positions

  explicit TwoLengthsDecoder(const WhisperTokenizer& tokenizer) : tokenizer_(tokenizer) {}

  const WhisperTokenizer& tokenizer() const override { return tokenizer_; }
  const WhisperConfig& config() const override { return config_; }
  Status SetWindow(const MelSource&, int64_t begin, int64_t count, int64_t positions,
                   std::stop_token) override {
    const Window window{begin, count, positions};
    if (windows.empty() || windows.back() != window) windows.push_back(window);
    return OkStatus();
  }
  Result<LanguageDetection> DetectLanguage(std::stop_token) override {
    return std::get<2>(windows.back()) > 0 ? language_on_short : language_on_whole;
  }
  Result<DecodingResult> Decode(const DecodingOptions& options, std::stop_token) override {
    temperatures.push_back(options.temperature);
    DecodingResult result = std::get<2>(windows.back()) > 0 ? on_short : on_whole;
    result.temperature = options.temperature;
    if (options.temperature >= 0.4) result.avg_logprob = -0.3;  // the fallback succeeds here
    return result;
  }

  DecodingResult on_short = Good(), on_whole = Good();
  LanguageDetection language_on_short{"de", {{"de", 0.95}, {"en", 0.05}}};
  LanguageDetection language_on_whole{"en", {{"en", 0.95}, {"de", 0.05}}};
  std::vector<Window> windows;
  std::vector<double> temperatures;

 private:
  const WhisperTokenizer& tokenizer_;
  const WhisperConfig config_ = FakeConfig(true);
};

class ShortWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = InstalledTokenizer(true);
    if (tokenizer_ == nullptr) GTEST_SKIP() << "whisper-base is not installed";
    decoder_.emplace(*tokenizer_);
    decoder_->on_whole.tokens[1] = 2000;
    options_.language = "en";
    options_.exact = false;
  }
  Transcript Run(int64_t num_frames = 200) {
    Result<Transcript> result = Transcribe(*decoder_, FakeMel(num_frames), options_, {}, {});
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return std::move(result).value();
  }
  static int FirstWord(const Transcript& transcript) { return transcript.segments.at(0).tokens[1]; }

  using Window = TwoLengthsDecoder::Window;
  const WhisperTokenizer* tokenizer_ = nullptr;
  std::optional<TwoLengthsDecoder> decoder_;
  TranscribeOptions options_;
};

TEST_F(ShortWindowTest, ASureResultNeedsNoWholeWindow) {
  const Transcript transcript = Run();
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 350}));
  EXPECT_THAT(decoder_->temperatures, ElementsAre(0.0));
  EXPECT_EQ(FirstWord(transcript), 1000);
}

TEST_F(ShortWindowTest, ADoubtfulResultIsHadAgain) {
  decoder_->on_short.avg_logprob = -0.9;  // no reason for a fallback yet
  const Transcript transcript = Run();
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 350}, Window{0, 200, 0}));
  EXPECT_THAT(decoder_->temperatures, ElementsAre(0.0, 0.0));
  EXPECT_EQ(FirstWord(transcript), 2000);
}

TEST_F(ShortWindowTest, TheFallbackIsAboutTheWholeWindow) {
  decoder_->on_short.avg_logprob = decoder_->on_whole.avg_logprob = -1.5;
  const Transcript transcript = Run();
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 350}, Window{0, 200, 0}));
  EXPECT_THAT(decoder_->temperatures, ElementsAre(0.0, 0.0, 0.2, 0.4));
  EXPECT_EQ(FirstWord(transcript), 2000);
}

TEST_F(ShortWindowTest, AThresholdOfTheCallerCountsToo) {
  options_.logprob_threshold = -0.2;  // stricter than ours
  options_.temperatures = {0.0};
  Run();
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 350}, Window{0, 200, 0}));
}

TEST_F(ShortWindowTest, OnlyTheLastWindowOfALongRecordingIsShort) {
  Run(3500);
  ASSERT_FALSE(decoder_->windows.empty());
  EXPECT_EQ(decoder_->windows.front(), (Window{0, 3000, 0}));
  EXPECT_EQ(decoder_->windows.back(), (Window{3000, 500, 500}));
}

TEST_F(ShortWindowTest, ExactAndSampledWindowsAreWhole) {
  options_.exact = true;
  Run();
  options_.exact.reset();  // as in Transcribe(), which knows of no precision
  Run();
  options_.exact = false;
  options_.temperatures = {0.4};
  Run();
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 0}));
}

TEST_F(ShortWindowTest, ASureLanguageIsHeardInTheSameEncoding) {
  options_.language.clear();
  EXPECT_EQ(Run().language, "de");
  EXPECT_THAT(decoder_->windows, ElementsAre(Window{0, 200, 350}));
}

TEST_F(ShortWindowTest, ADoubtfulLanguageIsHeardInTheWholeWindow) {
  options_.language.clear();
  decoder_->language_on_short.probs[0].second = 0.6;
  EXPECT_EQ(Run().language, "en");
  EXPECT_THAT(decoder_->windows,
              ElementsAre(Window{0, 200, 350}, Window{0, 3000, 0}, Window{0, 200, 350}));
}

TEST_F(ShortWindowTest, TheSessionEncodesAnewWhenTheLengthChanges) {
  FakeSession session(HashModel{.seed = 1, .eot_bias = 9}, FakeConfig(true), 5);
  SessionWindowDecoder decoder(session, *tokenizer_);
  const FakeMel mel(200);
  for (const int64_t positions : {350, 350, 0, 0}) {
    ASSERT_TRUE(decoder.SetWindow(mel, 0, 200, positions, {}).ok());
    EXPECT_EQ(session.encoded_positions, positions);
  }
  EXPECT_EQ(session.num_encodes, 2);
}

}  // namespace
}  // namespace tessera
