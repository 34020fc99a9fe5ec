#include "base/check.h"
#include "pipelines/writer_formats.h"
#include "text/utf8.h"

namespace tessera {

Status WriteTxt(const Transcript& transcript, const TextSink& sink) {
  for (const Segment& segment : transcript.segments) {
    TESSERA_RETURN_IF_ERROR(sink(std::string(StripWhiteSpace(segment.text)) + "\n"));
  }
  return OkStatus();
}

}  // namespace tessera
