#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "base/check.h"
#include "pipelines/python_format.h"
#include "pipelines/writer_formats.h"

namespace tessera {

// Lyrics as whisper.cpp writes them: "[MM:SS.cc] text", minutes beyond 99 in full, the text with
// its leading space. A line break in a text, which would end the line, becomes a space.
Status WriteLrc(const Transcript& transcript, const TextSink& sink) {
  TESSERA_RETURN_IF_ERROR(sink("[by:tessera]\n"));
  for (const Segment& segment : transcript.segments) {
    const int64_t hundredths = std::max<int64_t>(PythonRound(segment.start * 100.0), 0);
    std::array<char, 48> time;
    std::snprintf(time.data(), time.size(), "[%02" PRId64 ":%02d.%02d]", hundredths / 6000,
                  static_cast<int>(hundredths / 100 % 60), static_cast<int>(hundredths % 100));
    std::string text = segment.text;
    std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    TESSERA_RETURN_IF_ERROR(sink(time.data() + text + "\n"));
  }
  return OkStatus();
}

}  // namespace tessera
