// One function per format, each in its own source file writer_FORMAT.cc; callers use
// pipelines/writers.h.
#ifndef TESSERA_PIPELINES_WRITER_FORMATS_H_
#define TESSERA_PIPELINES_WRITER_FORMATS_H_

#include "pipelines/writers.h"

namespace tessera {

Status WriteTxt(const Transcript& transcript, const TextSink& sink);
Status WriteVtt(const Transcript& transcript, const SubtitleOptions& options, const TextSink& sink);
Status WriteSrt(const Transcript& transcript, const SubtitleOptions& options, const TextSink& sink);
Status WriteTsv(const Transcript& transcript, const TextSink& sink);
Status WriteJson(const Transcript& transcript, const TextSink& sink);
Status WriteLrc(const Transcript& transcript, const TextSink& sink);
Status WriteCsv(const Transcript& transcript, const TextSink& sink);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_WRITER_FORMATS_H_
