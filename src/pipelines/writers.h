// Transcripts as text files: txt, vtt, srt, tsv, json, lrc, csv.
//
// The first five are byte for byte what openai-whisper 20250625 writes (whisper/utils.py) for the
// same values and options; lrc and csv have the layout of whisper.cpp's. All are UTF-8 with '\n'
// line ends. A number that is not finite, where a time is due, is written as 0, a negative cue time
// too. Stateless; thread-safe.
#ifndef TESSERA_PIPELINES_WRITERS_H_
#define TESSERA_PIPELINES_WRITERS_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tessera/status.h"
#include "tessera/transcript.h"

namespace tessera {

enum class TranscriptFormat { kTxt, kVtt, kSrt, kTsv, kJson, kLrc, kCsv };

// Layout of vtt and srt cues; needs word timestamps, without which every segment is one cue. 0 or
// less: no limit.
struct SubtitleOptions {
  int max_line_width = 0;  // characters (code points); a longer single word stands alone
  int max_line_count =
      0;  // lines in a cue; with max_line_width, cues no longer end with their segment
  int max_words_per_line = 0;    // a segment's words are taken in groups of this size
  bool highlight_words = false;  // one cue for every word, in which it is underlined (<u>)
};

// Takes the next piece of a file; an error ends the writing and is returned.
using TextSink = std::function<Status(std::string_view piece)>;

Status WriteTranscript(const Transcript& transcript, TranscriptFormat format,
                       const SubtitleOptions& options, const TextSink& sink);

// The whole file in memory.
std::string FormatTranscript(const Transcript& transcript, TranscriptFormat format,
                             const SubtitleOptions& options = {});

// "srt": the name of an option's value, and the file name's ending.
std::string_view TranscriptFormatName(TranscriptFormat format);
std::optional<TranscriptFormat> TranscriptFormatFromName(std::string_view name);

// What "all" means, as in openai-whisper: txt, vtt, srt, tsv, json.
std::span<const TranscriptFormat> AllTranscriptFormats();

}  // namespace tessera

#endif  // TESSERA_PIPELINES_WRITERS_H_
