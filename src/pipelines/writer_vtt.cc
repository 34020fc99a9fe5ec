#include "base/check.h"
#include "pipelines/subtitle_cues.h"
#include "pipelines/writer_formats.h"

namespace tessera {

Status WriteVtt(const Transcript& transcript, const SubtitleOptions& options,
                const TextSink& sink) {
  TESSERA_RETURN_IF_ERROR(sink("WEBVTT\n\n"));
  const TimestampStyle style{.always_include_hours = false, .decimal_marker = '.'};
  return ForEachCue(transcript, options, style, [&](const SubtitleCue& cue) {
    return sink(cue.start + " --> " + cue.end + "\n" + cue.text + "\n\n");
  });
}

}  // namespace tessera
