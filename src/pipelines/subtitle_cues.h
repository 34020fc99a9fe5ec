// The cues of a subtitle file, as openai-whisper lays them out (SubtitlesWriter.iterate_result).
#ifndef TESSERA_PIPELINES_SUBTITLE_CUES_H_
#define TESSERA_PIPELINES_SUBTITLE_CUES_H_

#include <functional>
#include <string>

#include "pipelines/writers.h"

namespace tessera {

struct SubtitleCue {
  std::string start;  // formatted times
  std::string end;
  std::string text;  // lines parted by '\n'
};

struct TimestampStyle {
  bool always_include_hours;
  char decimal_marker;
};

// Calls `take` for every cue in order; an error of it ends the walk and is returned.
//
// Where the first segment has words, cues are made of words: lines of at most max_line_width
// characters, broken where a word does not fit; a cue ends with its segment, or, if both
// max_line_width and max_line_count are set, after max_line_count lines or a pause of more than 3
// s. Else every segment is a cue, in which "-->" becomes "->".
Status ForEachCue(const Transcript& transcript, const SubtitleOptions& options,
                  const TimestampStyle& style,
                  const std::function<Status(const SubtitleCue&)>& take);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SUBTITLE_CUES_H_
