// Filters, searches and the decode task against openai-whisper's own classes
// (tools/golden/decoding.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "pipelines/decode_task.h"
#include "pipelines/log_softmax.h"
#include "pipelines/logit_filters.h"
#include "pipelines/rescoring.h"
#include "pipelines/token_search.h"
#include "pipelines/top_k.h"
#include "tests/unit/pipelines_fakes.h"

namespace tessera {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::optional<T> Optional(const Json& object, const char* key) {
  if (!object.contains(key) || object[key].is_null()) return std::nullopt;
  return object[key].get<T>();
}

DecodingOptions FromJson(const Json& json) {
  DecodingOptions options;
  options.language = json.value("language", "");
  if (json.value("task", "") == "translate") options.task = TranscribeTask::kTranslate;
  options.sample_len = Optional<int>(json, "sample_len");
  options.beam_size = Optional<int>(json, "beam_size");
  options.patience = Optional<double>(json, "patience");
  options.length_penalty = Optional<double>(json, "length_penalty");
  options.prompt = json.value("prompt", std::vector<int>());
  options.prefix = json.value("prefix", std::vector<int>());
  options.suppress_blank = json.value("suppress_blank", true);
  options.without_timestamps = json.value("without_timestamps", false);
  if (json.contains("max_initial_timestamp")) {
    options.max_initial_timestamp = Optional<double>(json, "max_initial_timestamp");
  }
  if (json.contains("suppress_tokens")) {
    options.suppress_tokens = json["suppress_tokens"].is_string()
                                  ? std::vector<int>()
                                  : json["suppress_tokens"].get<std::vector<int>>();
  }
  return options;
}

class DecodeTaskGoldenTest : public testing::TestWithParam<size_t> {};

TEST_P(DecodeTaskGoldenTest, DecodesAsOpenAiWhisper) {
  const Json& golden = PipelineGolden("decoding")["tasks"][GetParam()];
  SCOPED_TRACE(golden["name"].get<std::string>());
  const bool multilingual = golden["multilingual"];
  const WhisperTokenizer* tokenizer = InstalledTokenizer(multilingual);
  if (tokenizer == nullptr) GTEST_SKIP() << "the model whose tokenizer is needed is not installed";

  const WhisperConfig config = FakeConfig(multilingual);
  HashModel model;
  model.seed = golden["seed"];
  model.levels = golden["levels"];
  model.eot_bias = golden["eot_bias"];
  model.eot_slope = golden["eot_slope"];
  model.timestamp_bias = golden["timestamp_bias"];
  model.eot = tokenizer->eot();
  model.timestamp_begin = tokenizer->timestamp_begin();
  FakeSession session(model, config, 16);
  SessionWindowDecoder decoder(session, *tokenizer);
  const DecodingOptions options = FromJson(golden["options"]);
  const Result<DecodingResult> result = decoder.Decode(options, {});
  ASSERT_TRUE(result.ok()) << result.status().ToString();

  const Json& want = golden["result"];
  const auto initial = MakeInitialTokens(*tokenizer, config, options);
  EXPECT_EQ(*initial, want["initial_tokens"].get<std::vector<int>>());
  EXPECT_EQ(result->tokens, want["tokens"].get<std::vector<int>>());
  EXPECT_EQ(result->text, want["text"].get<std::string>());
  // f32 sums of up to 224 terms: 224 roundings of 2^-24 relative, averaged.
  EXPECT_NEAR(result->avg_logprob, want["avg_logprob"], 1e-5 * std::abs(result->avg_logprob));
  // torch adds 51865 equal-signed terms in f32; ours are added in f64.
  EXPECT_NEAR(result->no_speech_prob, want["no_speech_prob"],
              1e-4 * want["no_speech_prob"].get<double>());
  EXPECT_DOUBLE_EQ(result->compression_ratio, want["compression_ratio"]);
  // The prompt goes through the model once, whatever the number of beams.
  EXPECT_LE(session.num_tokens, static_cast<int64_t>(initial->size()) +
                                    (session.num_decodes - 1) * NumDecodeRows(options));
}

INSTANTIATE_TEST_SUITE_P(
    All, DecodeTaskGoldenTest,
    testing::Range<size_t>(0, PipelineGolden("decoding")["tasks"].size()), [](const auto& info) {
      return PipelineGolden("decoding")["tasks"][info.param]["name"].template get<std::string>();
    });

TEST(LogitFiltersTest, AllowWhatOpenAiWhisperAllows) {
  for (const Json& golden : PipelineGolden("decoding")["filters"]) {
    const auto history = golden["history"].get<std::vector<int>>();
    HashModel model;
    model.seed = golden["seed"];
    model.timestamp_bias = golden["timestamp_bias"];
    std::vector<float> logits = model.Logits(history);
    SuppressBlank({220, 50257}).Apply(logits, history);
    SuppressTokens({7, 8, 9}).Apply(logits, history);
    TimestampRules({50257, 50363, 50364}, 50).Apply(logits, history);

    Json ranges = Json::array();
    for (size_t i = 0, begin = 0; i <= logits.size(); ++i) {
      const bool allowed = i < logits.size() && std::isfinite(logits[i]);
      const bool before = i > 0 && std::isfinite(logits[i - 1]);
      if (allowed && !before) begin = i;
      if (!allowed && before) ranges.push_back({begin, i});
    }
    EXPECT_EQ(ranges, golden["allowed_ranges"]) << golden["history"] << golden["timestamp_bias"];
  }
}

TEST(LogitFiltersTest, IgnoreIdsOutsideTheVocabulary) {
  std::vector<float> logits(10, 1.0f);
  SuppressTokens({-5, 3, 10, 1 << 30}).Apply(logits, {});
  const std::vector<int> history = {8, 1 << 30};
  TimestampRules({6, 7, 8}, 1 << 30).Apply(logits, history);
  EXPECT_TRUE(std::isinf(logits[3]));
  EXPECT_TRUE(std::isinf(logits[8]));  // two timestamps in a row: text must follow
  EXPECT_EQ(logits[2], 1.0f);
}

TEST(SamplingSearchTest, SumsTheUntemperedLogProbabilitiesOfWhatWasDrawn) {
  // The draws are ours; their distribution is checked below. Sums: replay openai-whisper's draws
  // through our normaliser.
  const Json& golden = PipelineGolden("decoding")["sampling"];
  HashModel model;
  model.seed = 5;
  model.eot_bias = 11.0;
  for (size_t row = 0; row < golden["tokens"].size(); ++row) {
    std::vector<int> history = {50258};
    float sum = 0;
    for (const int token : golden["tokens"][row].get<std::vector<int>>()) {
      if (history.back() == model.eot) break;
      const std::vector<float> logits = model.Logits(history);
      sum += MakeLogNormalizer(logits).LogProb(logits[static_cast<size_t>(token)]);
      history.push_back(token);
    }
    EXPECT_NEAR(sum, golden["sums"][row], 1e-5 * std::abs(sum));
  }
}

TEST(SamplingSearchTest, DrawsInProportionAndNeverTheForbidden) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {-kInf, std::log(1.0f), std::log(3.0f),
                                     -kInf, std::log(6.0f), -kInf};
  for (const double temperature : {1.0, 0.5}) {
    std::vector<double> weights;
    double total = 0;
    for (const float logit : logits) total += weights.emplace_back(std::exp(logit / temperature));
    std::vector<int> counts(logits.size());
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) {
      ++counts[static_cast<size_t>(
          SampleToken(logits, temperature, CounterUniform(1, 2, static_cast<uint64_t>(i))))];
    }
    for (size_t i = 0; i < logits.size(); ++i) {
      const double p = weights[i] / total;
      EXPECT_NEAR(counts[i], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << i;
    }
  }
  EXPECT_EQ(SampleToken(logits, 1.0, 0.0), 1);
  EXPECT_EQ(SampleToken(logits, 1.0, std::nextafter(1.0, 0.0)), 4);
}

TEST(SamplingSearchTest, RepeatsWithTheSameSeedOnly) {
  const HashModel model{.seed = 3, .eot_bias = 9};
  const auto run = [&](uint64_t seed, int rows) {
    auto search =
        MakeSamplingSearch({.temperature = 0.7, .num_rows = rows, .eot = model.eot, .seed = seed});
    for (int step = 0; step < 8; ++step) {
      std::vector<std::vector<float>> logits;
      for (const int row : search->LiveRows()) logits.push_back(model.Logits(search->tokens(row)));
      if (search->Advance(std::vector<std::span<const float>>(logits.begin(), logits.end()))
              .completed)
        break;
    }
    return search->Finalize();
  };
  const auto first = run(1, 3), again = run(1, 3), other = run(2, 3), alone = run(1, 1);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(first[i].tokens, again[i].tokens);
  EXPECT_NE(first[0].tokens, other[0].tokens);
  EXPECT_NE(first[0].tokens, first[1].tokens);
  EXPECT_EQ(first[0].tokens, alone[0].tokens);  // a row does not depend on the others
}

TEST(RankCandidatesTest, TakesTheFirstOfEqualsAndNeverTheEmptyOne) {
  const std::vector<TokenCandidate> candidates = {
      {{}, -0.1}, {{1, 2}, -4}, {{1}, -2}, {{1, 2, 3, 4}, -9}};
  EXPECT_EQ(RankCandidates(candidates, std::nullopt), 1u);
  EXPECT_EQ(RankCandidates(candidates, 0.0), 0u);  // penalty 1 for all: the plain sum
  EXPECT_EQ(RankCandidates(std::span(candidates).subspan(1), 1.0), 1u);
  EXPECT_EQ(RankCandidates(std::span(candidates).first(1), std::nullopt), 0u);
}

TEST(BeamSearchTest, SurvivesRowsWithoutAFiniteLogit) {
  const std::vector<float> forbidden(64, -std::numeric_limits<float>::infinity());
  const std::vector<float> broken(64, std::numeric_limits<float>::quiet_NaN());
  for (const std::vector<float>& row : {forbidden, broken}) {
    auto search = MakeBeamSearch({.beam_size = 3, .eot = 5});
    for (int step = 0; step < 4; ++step) {
      const std::vector<std::span<const float>> logits(search->LiveRows().size(), row);
      search->Advance(logits);
    }
    EXPECT_EQ(search->Finalize().size(), 3u);
  }
}

TEST(TopLogProbsTest, RanksNanLast) {
  std::vector<float> logits(2000, std::numeric_limits<float>::quiet_NaN());
  logits[3] = 1;
  logits[1900] = 2;
  const std::vector<ScoredToken> top = TopLogProbs(logits, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].token, 1900);
  EXPECT_EQ(top[1].token, 3);
  EXPECT_TRUE(TopLogProbs(logits, 0).empty());
  EXPECT_EQ(TopLogProbs(std::span(logits).first(2), 5).size(), 2u);
}

TEST(ValidateDecodingOptionsTest, RefusesWhatContradicts) {
  const auto message = [](DecodingOptions options) {
    return std::string(ValidateDecodingOptions(options).message());
  };
  EXPECT_EQ(message({}), "");
  EXPECT_THAT(message({.temperature = 0.5, .best_of = 2, .beam_size = 2}), HasSubstr("exclude"));
  EXPECT_THAT(message({.best_of = 2}), HasSubstr("temperature above 0"));
  EXPECT_THAT(message({.patience = 1.0}), HasSubstr("needs beam_size"));
  EXPECT_THAT(message({.length_penalty = 1.5}), HasSubstr("length_penalty"));
  EXPECT_THAT(message({.beam_size = 0}), HasSubstr("beam_size"));
  EXPECT_THAT(message({.beam_size = 1, .patience = 0.4}), HasSubstr("rounds to 0"));
  EXPECT_THAT(message({.temperature = -1}), HasSubstr("temperature"));
  EXPECT_THAT(message({.temperature = std::nan("")}), HasSubstr("temperature"));
}

TEST(DecodeTaskTest, RefusesAPrefixThatDoesNotFit) {
  const WhisperTokenizer* tokenizer = InstalledTokenizer(true);
  if (tokenizer == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  DecodingOptions options{.language = "en"};
  options.prefix.assign(446, 400);
  const auto result = MakeInitialTokens(*tokenizer, FakeConfig(true), options);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("449 positions"));
  options.prefix = {60000};
  EXPECT_FALSE(MakeInitialTokens(*tokenizer, FakeConfig(true), options).ok());
  options.prefix.clear();
  options.language = "yue";  // a model of 100 languages has it
  EXPECT_FALSE(MakeInitialTokens(*tokenizer, FakeConfig(true), options).ok());
}

// Errors change which logit is the largest, but not what is said.
TEST(WindowDecoderTest, ScoresTheLeadersAgain) {
  const WhisperTokenizer* tokenizer = InstalledTokenizer(true);
  if (tokenizer == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  const auto tokens = [&](float noise, bool rescores, std::optional<int> beam_size) {
    FakeSession session({.eot_slope = 0.1}, FakeConfig(true), 5);
    session.noise = noise;
    session.eight_bits = rescores;
    SessionWindowDecoder decoder(session, *tokenizer);
    Result<DecodingResult> result = decoder.Decode(
        {.language = "en", .sample_len = 20, .beam_size = beam_size, .without_timestamps = true},
        {});
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result->tokens;
  };
  const std::vector<int> exact = tokens(0, false, {});
  EXPECT_GE(exact.size(), 10u);
  EXPECT_NE(tokens(0.02f, false, {}), exact);
  EXPECT_EQ(tokens(0.02f, true, {}), exact);
}

TEST(LeadersTest, AreThoseWithinTheMargin) {
  std::vector<float> logits(3000, -5.0f);
  EXPECT_EQ(Leaders(logits).size(), kMaxLeaders);  // equals: the first of them
  logits[2500] = 3;
  logits[7] = 3 - kLeaderMargin;
  logits[8] = 2.9f - kLeaderMargin;
  EXPECT_THAT(Leaders(logits), testing::ElementsAre(7, 2500));
  logits.assign(20, -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(Leaders(logits).empty());
  EXPECT_TRUE(Leaders({}).empty());
}

TEST(LogitFiltersTest, SayWhichIdsNobodyNeeds) {
  for (const Json& golden : PipelineGolden("decoding")["filters"]) {
    const auto history = golden["history"].get<std::vector<int>>();
    const int first = TimestampRules({50257, 50363, 50364}, 50).FirstAllowed(history);
    const int allowed =
        golden["allowed_ranges"].empty() ? first : golden["allowed_ranges"][0][0].get<int>();
    EXPECT_LE(first, allowed) << golden["history"];
  }
  const TimestampRules rules({6, 7, 8}, std::nullopt);
  EXPECT_EQ(rules.FirstAllowed({}), 8);
  EXPECT_EQ(rules.FirstAllowed(std::vector<int>{8}), 0);
  EXPECT_EQ(rules.FirstAllowed(std::vector<int>{8, 1}), 0);
  EXPECT_EQ(rules.FirstAllowed(std::vector<int>{8, 1, 9}), 6);
  EXPECT_EQ(rules.FirstAllowed(std::vector<int>{8, 1, 9, 9}), 0);
}

TEST(WindowDecoderTest, RefusesMoreRowsThanTheSessionHasAndStops) {
  const WhisperTokenizer* tokenizer = InstalledTokenizer(true);
  if (tokenizer == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  FakeSession session({}, FakeConfig(true), 2);
  SessionWindowDecoder decoder(session, *tokenizer);
  EXPECT_EQ(decoder.Decode({.language = "en", .beam_size = 3}, {}).status().code(),
            StatusCode::kResourceExhausted);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(decoder.Decode({.language = "en"}, stop.get_token()).status().code(),
            StatusCode::kCancelled);
}

TEST(WindowDecoderTest, EncodesAWindowOnce) {
  const WhisperTokenizer* tokenizer = InstalledTokenizer(true);
  if (tokenizer == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  FakeSession session({}, FakeConfig(true), 1);
  SessionWindowDecoder decoder(session, *tokenizer);
  const FakeMel mel(5000);
  ASSERT_TRUE(decoder.SetWindow(mel, 0, 3000, 0, {}).ok());
  ASSERT_TRUE(decoder.SetWindow(mel, 0, 3000, 0, {}).ok());
  EXPECT_EQ(session.num_encodes, 1);
  ASSERT_TRUE(decoder.SetWindow(mel, 3000, 2000, 0, {}).ok());
  EXPECT_EQ(session.num_encodes, 2);
  EXPECT_EQ(session.encoded_frames, 2000);
  ASSERT_TRUE(decoder.SetWindow(mel, 1000, 2000, 0, {}).ok());
  EXPECT_EQ(session.num_encodes, 3);
  EXPECT_FALSE(decoder.SetWindow(mel, 0, 3001, 0, {}).ok());
}

TEST(LanguageDetectionTest, SoftmaxIsOverLanguagesAlone) {
  const WhisperTokenizer* tokenizer = InstalledTokenizer(true);
  if (tokenizer == nullptr) GTEST_SKIP() << "whisper-base is not installed";
  std::vector<float> logits(51865, 50.0f);
  for (int i = 0; i < 99; ++i) logits[static_cast<size_t>(50259 + i)] = -20.0f;
  logits[50261] = 1.0f + std::log(3.0f);  // de
  logits[50259] = 1.0f;                   // en
  const LanguageDetection detection = LanguageFromLogits(*tokenizer, logits);
  EXPECT_EQ(detection.language, "de");
  ASSERT_EQ(detection.probs.size(), 99u);
  EXPECT_NEAR(detection.probs[0].second, 0.75, 1e-6);
  EXPECT_EQ(detection.probs[1].first, "en");
  EXPECT_NEAR(detection.probs[1].second, 0.25, 1e-6);
  EXPECT_EQ(detection.probs[2].first, "zh");  // of equals the first
}

// Speech from 1 s to 5 s and from 6 s to 8 s; text is below 10, end-of-text 10, <|0.00|> 11.
TEST(HearOutTest, ATextDoesNotEndBeforeTheSpeech) {
  const HearOut filter(10, 11, {{50, 250}, {300, 400}});
  const auto may_end = [&](std::vector<int> sampled) {
    std::vector<float> logits(600, 1.0f);
    filter.Apply(logits, sampled);
    for (size_t i = 0; i < logits.size(); ++i)
      if (i != 10) EXPECT_EQ(logits[i], 1.0f);
    return logits[10] == 1.0f;
  };
  const auto at = [](int step) { return 11 + step; };
  EXPECT_TRUE(may_end({}));  // the first token is a timestamp by other rules
  EXPECT_FALSE(may_end({at(0), 1}));
  // Closed segments: a second of speech, in however many parts, asks for another one.
  EXPECT_FALSE(may_end({at(0), 1, at(350)}));
  EXPECT_TRUE(may_end({at(0), 1, at(351)}));
  EXPECT_FALSE(may_end({at(0), 1, at(249)}));
  // Open ones, with and without text: a fifth of a second.
  EXPECT_FALSE(may_end({at(0), 1, at(390), at(390)}));
  EXPECT_FALSE(may_end({at(0), 1, at(390), at(390), 2}));
  EXPECT_TRUE(may_end({at(0), 1, at(391), at(391)}));
  EXPECT_TRUE(may_end({at(0), 1, at(391), at(391), 2}));
}

}  // namespace
}  // namespace tessera
