#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/nearest.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/transcribe_options.h"

namespace tessera::cli {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

TranscribeCommandOptions Parsed(const std::vector<std::string>& arguments) {
  Result<ParsedTranscribe> result =
      ParseTranscribe(arguments, [](const std::string&) { return false; });
  EXPECT_TRUE(result.ok()) << result.status().message();
  if (!result.ok() || !result->options) return {};
  return *result->options;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  Result<ParsedTranscribe> result =
      ParseTranscribe(arguments, [](const std::string&) { return false; });
  EXPECT_FALSE(result.ok());
  return result.ok() ? "" : result.status().message();
}

// The help shows no flag that the layer of dialects does not know.
TEST(TranscribeOptionsTest, EveryFlagOfTheHelpIsTaken) {
  Result<ParsedTranscribe> parsed =
      ParseTranscribe({"--help"}, [](const std::string&) { return false; });
  ASSERT_TRUE(parsed.ok());
  int flags = 0;
  // A flag's line begins with it, or with its short form and a comma.
  std::istringstream lines(parsed->help);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.starts_with("  -") ? line.find("--") : std::string::npos;
    if (at != 2 && at != 5) continue;
    const std::string flag = line.substr(at, line.find_first_of(" ,:", at) - at);
    const auto taken =
        ParseTranscribe({flag, "1", "a.wav"}, [](const std::string&) { return false; });
    if (!taken.ok()) {
      EXPECT_THAT(taken.status().message(), Not(HasSubstr("unknown flag"))) << flag;
    }
    ++flags;
  }
  EXPECT_GT(flags, 40);
}

// The defaults of openai-whisper's transcribe(), which the library's option struct holds.
TEST(TranscribeOptionsTest, DefaultsAreTheLibrarys) {
  const TranscribeCommandOptions o = Parsed({"a.wav"});
  const TranscribeOptions library;
  EXPECT_THAT(o.transcribe.temperatures, Pointwise(::testing::DoubleEq(), library.temperatures));
  EXPECT_EQ(o.transcribe.compression_ratio_threshold, library.compression_ratio_threshold);
  EXPECT_EQ(o.transcribe.logprob_threshold, library.logprob_threshold);
  EXPECT_EQ(o.transcribe.no_speech_threshold, library.no_speech_threshold);
  EXPECT_EQ(o.transcribe.max_initial_timestamp, library.max_initial_timestamp);
  EXPECT_EQ(o.transcribe.suppress_tokens, library.suppress_tokens);
  EXPECT_EQ(o.transcribe.beam_size, library.beam_size);
  EXPECT_EQ(o.transcribe.condition_on_previous_text, library.condition_on_previous_text);
  EXPECT_EQ(o.transcribe.clip_timestamps, library.clip_timestamps);
  EXPECT_EQ(o.transcribe.seed, library.seed);
  EXPECT_EQ(o.model.model, "whisper-base");
  EXPECT_TRUE(o.formats.empty());
}

TEST(TranscribeOptionsTest, ModeAndBatchSize) {
  EXPECT_EQ(Parsed({"a"}).transcribe.mode, TranscribeMode::kAuto);
  EXPECT_EQ(Parsed({"a", "--mode", "sequential"}).transcribe.mode, TranscribeMode::kSequential);
  const TranscribeOptions o = Parsed({"a", "--mode", "batched", "--batch_size", "3"}).transcribe;
  EXPECT_EQ(o.mode, TranscribeMode::kBatched);
  EXPECT_EQ(o.batch_size, 3);
  EXPECT_THAT(ErrorOf({"a", "--mode", "parallel"}), HasSubstr("--mode"));
  EXPECT_THAT(ErrorOf({"a", "--batch-size", "65"}), HasSubstr("--batch-size"));
}

TEST(TranscribeOptionsTest, Exact) {
  EXPECT_EQ(Parsed({"a"}).transcribe.exact, std::nullopt);
  EXPECT_EQ(Parsed({"a", "--exact"}).transcribe.exact, true);
  EXPECT_EQ(Parsed({"--exact", "False", "a"}).transcribe.exact, false);
  EXPECT_THAT(ErrorOf({"a", "--audio-ctx", "512"}), HasSubstr("--exact"));
}

TEST(TranscribeOptionsTest, TemperatureLadder) {
  EXPECT_THAT(Parsed({"a", "--temperature", "0.5", "--temperature_increment_on_fallback", "0.25"})
                  .transcribe.temperatures,
              ElementsAre(0.5, 0.75, 1.0));
  EXPECT_THAT(Parsed({"a", "-nf"}).transcribe.temperatures, ElementsAre(0.0));
  EXPECT_THAT(Parsed({"a", "--temperature", "0,0.4"}).transcribe.temperatures,
              ElementsAre(0.0, 0.4));
  EXPECT_THAT(ErrorOf({"a", "--temperature", "warm"}), HasSubstr("expected a number"));
  EXPECT_THAT(ErrorOf({"a", "--temperature-increment-on-fallback", "1e-9"}), HasSubstr("0.01"));
}

TEST(TranscribeOptionsTest, NoneTurnsThresholdsOff) {
  const TranscribeCommandOptions o =
      Parsed({"a", "--compression_ratio_threshold", "None", "--logprob_threshold", "None",
              "--no_speech_threshold", "None"});
  EXPECT_FALSE(o.transcribe.compression_ratio_threshold.has_value());
  EXPECT_FALSE(o.transcribe.logprob_threshold.has_value());
  EXPECT_FALSE(o.transcribe.no_speech_threshold.has_value());
}

TEST(TranscribeOptionsTest, Clips) {
  EXPECT_THAT(Parsed({"a", "--clip_timestamps", "1,2.5,4"}).transcribe.clip_timestamps,
              ElementsAre(1, 2.5, 4));
  EXPECT_THAT(Parsed({"a", "-ot", "1500", "-d", "2000"}).transcribe.clip_timestamps,
              ElementsAre(1.5, 3.5));
  EXPECT_THAT(ErrorOf({"a", "--clip_timestamps", "3,1"}), HasSubstr("rising order"));
}

TEST(TranscribeOptionsTest, Formats) {
  EXPECT_THAT(Parsed({"a", "-osrt", "-otxt", "--output-format", "srt,csv"}).formats,
              ElementsAre(TranscriptFormat::kSrt, TranscriptFormat::kTxt, TranscriptFormat::kCsv));
  EXPECT_EQ(Parsed({"a", "-o", "out"}).formats.size(), 5u);  // openai-whisper's "all"
  EXPECT_THAT(ErrorOf({"a", "--output-format", "doc"}), HasSubstr("found \"doc\""));
  EXPECT_THAT(ErrorOf({"a", "--output-dir", "-", "--output-format", "srt,vtt"}),
              HasSubstr("one format"));
  EXPECT_THAT(ErrorOf({"a", "--skip-existing"}), HasSubstr("--output-format"));
  EXPECT_THAT(ErrorOf({"a", "b", "-of", "c"}), HasSubstr("one input"));
}

TEST(TranscribeOptionsTest, ModelAndDevice) {
  const TranscribeCommandOptions o = Parsed(
      {"a", "--fp16", "False", "--model_dir", "/m", "--model", "base", "--require-npu", "-t", "3"});
  EXPECT_EQ(o.model.precision, Precision::kF32);
  EXPECT_EQ(o.model.model, "/m/base");
  EXPECT_TRUE(o.model.require_npu);
  EXPECT_EQ(o.model.threads, 3);
  EXPECT_THAT(ErrorOf({"a", "--require-npu", "--device", "cpu"}), HasSubstr("contradict"));
  EXPECT_THAT(ErrorOf({"a", "--precision", "f16"}), HasSubstr("f16"));
  EXPECT_THAT(ErrorOf({"a", "--threads", "-1"}), HasSubstr("--threads"));
}

TEST(TranscribeOptionsTest, PlainRefusals) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no input"));
  EXPECT_THAT(ErrorOf({"-", "-"}), HasSubstr("stdin"));
  EXPECT_THAT(ErrorOf({"a", "-mc", "64"}), HasSubstr("-mc 64"));
  EXPECT_THAT(ErrorOf({"a", "--suppress-tokens", "1,x"}), HasSubstr("token ids"));
  EXPECT_THAT(ErrorOf({"a", "--raw-format", "mp3"}), HasSubstr("s16le"));
}

TEST(TranscribeOptionsTest, HelpNamesEveryGroup) {
  Result<ParsedTranscribe> result =
      ParseTranscribe({"--help"}, [](const std::string&) { return false; });
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->options.has_value());
  for (const char* text :
       {"--model", "--output-format", "--temperature", "whisper-cli", "--skip-existing"}) {
    EXPECT_THAT(result->help, HasSubstr(text));
  }
}

TEST(NearestTest, DistanceAndLimit) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("ab", "ba"), 1);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  const std::string_view names[] = {"transcribe", "models", "devices"};
  EXPECT_EQ(Nearest("trancsribe", names), "transcribe");
  EXPECT_EQ(Nearest("xyzzy", names), "");
}

TEST(ProgressTest, LineFitsAndShowsSpeedAndTimeLeft) {
  EXPECT_EQ(ProgressLine(2, 5, "talk.mp3", 30, 120, 1, 80),
            "[2/5] talk.mp3 [#####---------------]  25% 30x 0:03 left");
  for (int width = 1; width < 100; ++width) {
    EXPECT_LT(ProgressLine(2, 5, std::string(200, 'x'), 30, 120, 1, width).size(),
              static_cast<size_t>(std::max(width, 2)));
  }
  EXPECT_EQ(ClockText(3723), "1:02:03");
}

TEST(ReportTest, LinesAndSummary) {
  Segment segment;
  segment.start = 3599.9996;
  segment.end = 3601.5;
  segment.text = " Hello.";
  EXPECT_EQ(SegmentLine(segment, true), "[01:00:00.000 --> 01:00:01.500]  Hello.");
  EXPECT_EQ(SegmentLine(segment, false), "Hello.");
  Summary summary;
  summary.done = 2;
  summary.failed = 1;
  summary.audio_seconds = 3600;
  summary.work_seconds = 100;
  summary.device = "cpu";
  summary.precision = "f32";
  EXPECT_EQ(SummaryLine(summary),
            "3 files, 1.00 h of audio in 100.0 s (36.0x real time) on cpu, f32; 1 failed");
}

TEST(ReportTest, JsonSurvivesInvalidUtf8) {
  FileReport report;
  report.path = "bad\xff.wav";
  report.status = DataLoss("no \"audio\"");
  EXPECT_EQ(FileJson(report),
            "{\"type\":\"file\",\"path\":\"bad\xEF\xBF\xBD.wav\",\"error\":{\"code\":\"data_loss\","
            "\"message\":\"no "
            "\\\"audio\\\"\"}}");
}

}  // namespace
}  // namespace tessera::cli
