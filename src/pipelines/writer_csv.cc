#include "base/check.h"
#include "pipelines/python_format.h"
#include "pipelines/writer_formats.h"

namespace tessera {

// As whisper.cpp writes it: times in milliseconds, the text with its leading space, quoted as RFC
// 4180 asks.
Status WriteCsv(const Transcript& transcript, const TextSink& sink) {
  TESSERA_RETURN_IF_ERROR(sink("start,end,text\n"));
  for (const Segment& segment : transcript.segments) {
    std::string row = std::to_string(PythonRound(1000 * segment.start)) + "," +
                      std::to_string(PythonRound(1000 * segment.end)) + ",\"";
    for (const char c : segment.text) row += c == '"' ? "\"\"" : std::string(1, c);
    TESSERA_RETURN_IF_ERROR(sink(row + "\"\n"));
  }
  return OkStatus();
}

}  // namespace tessera
