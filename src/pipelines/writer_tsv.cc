#include <algorithm>

#include "base/check.h"
#include "pipelines/python_format.h"
#include "pipelines/writer_formats.h"
#include "text/utf8.h"

namespace tessera {

// Times in whole milliseconds.
Status WriteTsv(const Transcript& transcript, const TextSink& sink) {
  TESSERA_RETURN_IF_ERROR(sink("start\tend\ttext\n"));
  for (const Segment& segment : transcript.segments) {
    std::string text(StripWhiteSpace(segment.text));
    std::replace(text.begin(), text.end(), '\t', ' ');
    TESSERA_RETURN_IF_ERROR(sink(std::to_string(PythonRound(1000 * segment.start)) + "\t" +
                                 std::to_string(PythonRound(1000 * segment.end)) + "\t" + text +
                                 "\n"));
  }
  return OkStatus();
}

}  // namespace tessera
