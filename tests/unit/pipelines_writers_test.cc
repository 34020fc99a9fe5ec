#include "pipelines/writers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "pipelines/python_format.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

const Json& Golden() {
  static const Json golden =
      Json::parse(std::ifstream(TESSERA_SOURCE_DIR "/tests/golden/writers.json"));
  return golden;
}

Transcript FromResult(const Json& result) {
  Transcript transcript;
  transcript.text = result["text"];
  transcript.language = result["language"];
  for (const Json& item : result["segments"]) {
    Segment segment;
    segment.id = item["id"];
    segment.seek = item["seek"];
    segment.start = item["start"];
    segment.end = item["end"];
    segment.text = item["text"];
    segment.tokens = item["tokens"].get<std::vector<int>>();
    segment.temperature = item["temperature"];
    segment.avg_logprob = item["avg_logprob"];
    segment.compression_ratio = item["compression_ratio"];
    segment.no_speech_prob = item["no_speech_prob"];
    segment.has_words = item.contains("words");
    if (segment.has_words) {
      for (const Json& word : item["words"]) {
        segment.words.push_back({word["word"], word["start"], word["end"], word["probability"]});
      }
    }
    transcript.segments.push_back(std::move(segment));
  }
  return transcript;
}

TEST(WritersTest, WriteWhatOpenAiWhisperWrites) {
  ASSERT_GT(Golden()["outputs"].size(), 100u);
  for (const Json& output : Golden()["outputs"]) {
    const Json& options = output["options"];
    SubtitleOptions subtitles;
    subtitles.max_line_width = options.value("max_line_width", 0);
    subtitles.max_line_count = options.value("max_line_count", 0);
    subtitles.max_words_per_line = options.value("max_words_per_line", 0);
    subtitles.highlight_words = options.value("highlight_words", false);
    const auto format = TranscriptFormatFromName(output["format"].get<std::string>());
    ASSERT_TRUE(format.has_value());
    const Transcript transcript =
        FromResult(Golden()["inputs"][output["input"].get<std::string>()]);
    EXPECT_EQ(FormatTranscript(transcript, *format, subtitles), output["file"].get<std::string>())
        << output["input"] << " " << output["format"] << " " << options;
  }
}

TEST(WritersTest, FloatsAreWrittenAsPythonDoes) {
  for (const Json& pair : Golden()["reprs"]) {
    const auto bits = std::stoull(pair[0].get<std::string>(), nullptr, 16);
    EXPECT_EQ(PythonFloat(std::bit_cast<double>(uint64_t{bits})), pair[1].get<std::string>());
  }
}

Transcript Small() {
  Transcript transcript;
  transcript.segments.resize(2);
  transcript.segments[0].start = 0.5;
  transcript.segments[0].end = 61.25;
  transcript.segments[0].text = " He said \"no\",\nthen left.";
  transcript.segments[1].start = 6001.999;
  transcript.segments[1].end = 6002;
  transcript.segments[1].text = " Ünd?";
  return transcript;
}

TEST(WritersTest, LrcHasTheLayoutOfWhisperCpp) {
  EXPECT_EQ(FormatTranscript(Small(), TranscriptFormat::kLrc),
            "[by:tessera]\n[00:00.50] He said \"no\", then left.\n[100:02.00] Ünd?\n");
}

TEST(WritersTest, CsvHasTheLayoutOfWhisperCpp) {
  EXPECT_EQ(FormatTranscript(Small(), TranscriptFormat::kCsv),
            "start,end,text\n500,61250,\" He said \"\"no\"\",\nthen left.\"\n6001999,6002000,\" "
            "Ünd?\"\n");
}

TEST(WritersTest, JsonOfAnUnknownLanguageAndInvalidText) {
  Transcript transcript;
  transcript.text = "\xFF\x01";
  EXPECT_EQ(FormatTranscript(transcript, TranscriptFormat::kJson),
            "{\"text\": \"\\ufffd\\u0001\", \"segments\": [], \"language\": null}");
}

TEST(WritersTest, TimesOutOfRangeDoNoHarm) {
  Transcript transcript = Small();
  transcript.segments[0].start = -1;
  transcript.segments[0].end = std::numeric_limits<double>::quiet_NaN();
  transcript.segments[1].start = std::numeric_limits<double>::infinity();
  transcript.segments[1].end = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(FormatTranscript(transcript, TranscriptFormat::kVtt),
            "WEBVTT\n\n00:00.000 --> 00:00.000\nHe said \"no\",\nthen "
            "left.\n\n00:00.000 --> 00:00.000\nÜnd?\n\n");
  for (const TranscriptFormat format : AllTranscriptFormats())
    EXPECT_NE(FormatTranscript(transcript, format), "");
}

TEST(WritersTest, AnErrorOfTheSinkEndsTheWriting) {
  for (const char* name : {"txt", "vtt", "srt", "tsv", "json", "lrc", "csv"}) {
    const auto format = TranscriptFormatFromName(name);
    ASSERT_TRUE(format.has_value()) << name;
    EXPECT_EQ(TranscriptFormatName(*format), name);
    int calls = 0;
    const Status status = WriteTranscript(Small(), *format, {}, [&](std::string_view) {
      ++calls;
      return calls == 2 ? ResourceExhausted("disk full") : OkStatus();
    });
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << name;
    EXPECT_EQ(calls, 2) << name;
  }
  EXPECT_EQ(TranscriptFormatFromName("docx"), std::nullopt);
}

}  // namespace
}  // namespace tessera
