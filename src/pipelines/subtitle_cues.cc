#include "pipelines/subtitle_cues.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "pipelines/python_format.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tessera {
namespace {

constexpr double kLongPause = 3.0;  // seconds between word starts
constexpr int kNoLimit = 1000;      // openai-whisper's stand-in for "not set"

using CueFunction = std::function<Status(const SubtitleCue&)>;

std::string ReplaceArrows(std::string_view text) {
  std::string out;
  for (size_t at; (at = text.find("-->")) != std::string_view::npos; text.remove_prefix(at + 3)) {
    out += text.substr(0, at);
    out += "->";
  }
  return out += text;
}

// re.sub(r"^(\s*)(.*)$", r"\1<u>\2</u>", word): '.' stops at a line break, and '$' accepts one only
// at the very end, so a word with a line break inside stays as it is.
std::string Underline(std::string_view word) {
  size_t begin = 0;
  while (begin < word.size()) {
    const DecodedCodePoint point = DecodeCodePoint(word.substr(begin));
    if (!IsPythonSpace(point.value)) break;
    begin += static_cast<size_t>(point.length);
  }
  const size_t end = std::min(word.find('\n', begin), word.size());
  if (end + 1 < word.size()) return std::string(word);
  return std::string(word.substr(0, begin)) + "<u>" + std::string(word.substr(begin, end - begin)) +
         "</u>" + std::string(word.substr(end));
}

class WordCues {
 public:
  WordCues(const SubtitleOptions& options, const TimestampStyle& style, const CueFunction& take)
      : style_(style),
        take_(take),
        highlight_words_(options.highlight_words),
        has_line_count_(options.max_line_count > 0),
        keeps_segments_(options.max_line_count <= 0 || options.max_line_width <= 0),
        max_line_width_(options.max_line_width > 0 ? options.max_line_width : kNoLimit),
        max_line_count_(options.max_line_count),
        words_per_group_(static_cast<size_t>(
            options.max_words_per_line > 0 ? options.max_words_per_line : kNoLimit)) {}

  Status Run(const std::vector<Segment>& segments) {
    last_start_ = FirstStart(segments);
    for (const Segment& segment : segments) {
      for (size_t i = 0; i < segment.words.size(); ++i) {
        TESSERA_RETURN_IF_ERROR(Add(segment.words[i], i % words_per_group_ == 0));
      }
    }
    return Flush();
  }

 private:
  static double FirstStart(const std::vector<Segment>& segments) {
    for (const Segment& segment : segments) {
      if (!segment.words.empty()) return segment.words[0].start;
    }
    return segments.empty() ? 0 : segments[0].start;
  }

  Status Add(Word word, bool is_first_of_group) {
    const int64_t width = CountCodePoints(word.word);
    const bool long_pause = !keeps_segments_ && word.start - last_start_ > kLongPause;
    const bool has_room = line_width_ + width <= max_line_width_;
    const bool segment_break = is_first_of_group && !words_.empty() && keeps_segments_;
    if (line_width_ > 0 && has_room && !long_pause && !segment_break) {
      line_width_ += width;
    } else {
      word.word = std::string(StripWhiteSpace(word.word));
      const bool is_full =
          !words_.empty() && has_line_count_ && (long_pause || line_count_ >= max_line_count_);
      const int64_t stripped_width = CountCodePoints(word.word);
      if (is_full || segment_break) {
        TESSERA_RETURN_IF_ERROR(Flush());
      } else if (line_width_ > 0) {
        ++line_count_;
        word.word.insert(0, 1, '\n');
      }
      line_width_ = stripped_width;
    }
    last_start_ = word.start;
    words_.push_back(std::move(word));
    return OkStatus();
  }

  std::string Time(double seconds) const {
    return FormatTimestamp(seconds, style_.always_include_hours, style_.decimal_marker);
  }

  // Hands over the words gathered so far, as one cue or as one for every word.
  Status Flush() {
    line_count_ = 1;
    if (words_.empty()) return OkStatus();
    const std::vector<Word> words = std::exchange(words_, {});
    SubtitleCue cue{Time(words.front().start), Time(words.back().end), {}};
    for (const Word& word : words) cue.text += word.word;
    if (!highlight_words_) return take_(cue);

    std::string last = cue.start;
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string start = Time(words[i].start);
      const std::string end = Time(words[i].end);
      if (last != start) TESSERA_RETURN_IF_ERROR(take_({last, start, cue.text}));
      std::string text;
      for (size_t j = 0; j < words.size(); ++j)
        text += j == i ? Underline(words[j].word) : words[j].word;
      TESSERA_RETURN_IF_ERROR(take_({start, end, std::move(text)}));
      last = end;
    }
    return OkStatus();
  }

  const TimestampStyle style_;
  const CueFunction& take_;
  const bool highlight_words_;
  const bool has_line_count_;
  const bool keeps_segments_;
  const int64_t max_line_width_;
  const int max_line_count_;
  const size_t words_per_group_;

  std::vector<Word> words_;  // of the cue in the making
  int64_t line_width_ = 0;
  int line_count_ = 1;
  double last_start_ = 0;
};

}  // namespace

Status ForEachCue(const Transcript& transcript, const SubtitleOptions& options,
                  const TimestampStyle& style, const CueFunction& take) {
  const std::vector<Segment>& segments = transcript.segments;
  if (!segments.empty() && segments[0].has_words)
    return WordCues(options, style, take).Run(segments);
  for (const Segment& segment : segments) {
    TESSERA_RETURN_IF_ERROR(
        take({FormatTimestamp(segment.start, style.always_include_hours, style.decimal_marker),
              FormatTimestamp(segment.end, style.always_include_hours, style.decimal_marker),
              ReplaceArrows(StripWhiteSpace(segment.text))}));
  }
  return OkStatus();
}

}  // namespace tessera
