#include "pipelines/subtitle_cues.h"
#include "pipelines/writer_formats.h"

namespace tessera {

Status WriteSrt(const Transcript& transcript, const SubtitleOptions& options,
                const TextSink& sink) {
  const TimestampStyle style{.always_include_hours = true, .decimal_marker = ','};
  int64_t number = 0;
  return ForEachCue(transcript, options, style, [&](const SubtitleCue& cue) {
    ++number;
    return sink(std::to_string(number) + "\n" + cue.start + " --> " + cue.end + "\n" + cue.text +
                "\n\n");
  });
}

}  // namespace tessera
