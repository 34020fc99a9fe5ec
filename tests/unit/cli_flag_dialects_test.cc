#include "cli/flag_dialects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<NormalizedArguments> Normalize(const std::vector<std::string>& arguments) {
  return NormalizeTranscribeArguments(arguments,
                                      [](const std::string& path) { return path == "srt"; });
}

std::vector<std::string> FlagsOf(const std::vector<std::string>& arguments) {
  Result<NormalizedArguments> result = Normalize(arguments);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? result->flags : std::vector<std::string>{"error"};
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  Result<NormalizedArguments> result = Normalize(arguments);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  return result.status().message();
}

TEST(FlagDialects, OwnFlags) {
  EXPECT_THAT(FlagsOf({"--model", "tiny", "--beam-size=5", "-q"}),
              ElementsAre("--model=tiny", "--beam-size=5", "--quiet"));
}

TEST(FlagDialects, OpenAiWhisperFlags) {
  EXPECT_THAT(FlagsOf({"--output_format", "srt", "--beam_size", "5", "--condition_on_previous_text",
                       "False", "--logprob_threshold", "-1.0", "--fp16", "True",
                       "--temperature_increment_on_fallback", "None"}),
              ElementsAre("--output-format=srt", "--beam-size=5",
                          "--condition-on-previous-text=false", "--logprob-threshold=-1.0",
                          "--fp16=true", "--temperature-increment-on-fallback=None"));
}

TEST(FlagDialects, WhisperCliFlags) {
  EXPECT_THAT(FlagsOf({"-m",    "m.bin", "-l",    "de",       "-t",  "4",    "-tr",  "-otxt",
                       "-ovtt", "-osrt", "-olrc", "-ocsv",    "-oj", "-of",  "out",  "-np",
                       "-nt",   "-bs",   "5",     "-bo",      "3",   "-ot",  "1000", "-d",
                       "2000",  "-tp",   "0.2",   "-mc",      "0",   "-lpt", "-0.8", "-nth",
                       "0.5",   "-nf",   "-pp",   "--prompt", "a b", "-dl"}),
              ElementsAre("--model=m.bin", "--language=de", "--threads=4", "--task=translate",
                          "--output-format=txt", "--output-format=vtt", "--output-format=srt",
                          "--output-format=lrc", "--output-format=csv", "--output-format=json",
                          "--output-file=out", "--quiet", "--verbose=false", "--beam-size=5",
                          "--best-of=3", "--offset-ms=1000", "--duration-ms=2000",
                          "--temperature=0.2", "--max-context=0", "--logprob-threshold=-0.8",
                          "--no-speech-threshold=0.5", "--temperature-increment-on-fallback=None",
                          "--progress=true", "--initial-prompt=a b", "--detect-language"));
}

TEST(FlagDialects, FileFlagIsInputUnlessItNamesAFormat) {
  Result<NormalizedArguments> result = Normalize({"-f", "a.wav", "-f", "vtt", "-f", "srt"});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->inputs, ElementsAre("a.wav", "srt"));  // a file named "srt" exists
  EXPECT_THAT(result->flags, ElementsAre("--output-format=vtt"));
}

TEST(FlagDialects, BoolWithoutValueIsTrueAndLeavesTheNextArgument) {
  Result<NormalizedArguments> result = Normalize({"--verbose", "a.wav"});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->flags, ElementsAre("--verbose=true"));
  EXPECT_THAT(result->inputs, ElementsAre("a.wav"));
}

TEST(FlagDialects, DoubleDashAndStdin) {
  Result<NormalizedArguments> result = Normalize({"-", "--", "--model", "-x.wav"});
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->flags, IsEmpty());
  EXPECT_THAT(result->inputs, ElementsAre("-", "--model", "-x.wav"));
}

TEST(FlagDialects, NearSenseIsNoted) {
  Result<NormalizedArguments> result = Normalize({"-et", "2.4"});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->notes.size(), 1u);
  EXPECT_THAT(result->notes[0], HasSubstr("--compression-ratio-threshold"));
}

TEST(FlagDialects, UnknownFlagNamesTheNearest) {
  EXPECT_THAT(ErrorOf({"--beam-sise", "5"}), HasSubstr("did you mean --beam-size?"));
  EXPECT_THAT(ErrorOf({"--output_formt", "srt"}), HasSubstr("did you mean --output-format?"));
  EXPECT_THAT(ErrorOf({"-osrtt"}), HasSubstr("did you mean -osrt?"));
  EXPECT_THAT(ErrorOf({"--qwertyuiopasdfgh"}), HasSubstr("--help"));
}

TEST(FlagDialects, RefusedFlagsSayWhatToDo) {
  EXPECT_THAT(ErrorOf({"--word_timestamps", "True"}),
              HasSubstr("word times are not in this version"));
  EXPECT_THAT(FlagsOf({"--word_timestamps", "False"}), IsEmpty());
  EXPECT_THAT(ErrorOf({"--max_line_width", "40"}), HasSubstr("word times"));
  EXPECT_THAT(ErrorOf({"-di"}), HasSubstr("speakers"));
  EXPECT_THAT(ErrorOf({"-p", "4"}), HasSubstr("--threads"));
}

TEST(FlagDialects, MissingAndSuperfluousValues) {
  EXPECT_THAT(ErrorOf({"--model"}), HasSubstr("needs a value"));
  EXPECT_THAT(ErrorOf({"--quiet=1"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"--verbose=perhaps"}), HasSubstr("True or False"));
}

}  // namespace
}  // namespace tessera::cli
