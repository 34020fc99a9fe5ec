#include "pipelines/writers.h"

#include <array>

#include "base/check.h"
#include "pipelines/writer_formats.h"

namespace tessera {
namespace {

struct NamedFormat {
  TranscriptFormat format;
  std::string_view name;
};

constexpr std::array<NamedFormat, 7> kFormats = {{
    {TranscriptFormat::kTxt, "txt"},
    {TranscriptFormat::kVtt, "vtt"},
    {TranscriptFormat::kSrt, "srt"},
    {TranscriptFormat::kTsv, "tsv"},
    {TranscriptFormat::kJson, "json"},
    {TranscriptFormat::kLrc, "lrc"},
    {TranscriptFormat::kCsv, "csv"},
}};

constexpr std::array kAllFormats = {TranscriptFormat::kTxt, TranscriptFormat::kVtt,
                                    TranscriptFormat::kSrt, TranscriptFormat::kTsv,
                                    TranscriptFormat::kJson};

}  // namespace

Status WriteTranscript(const Transcript& transcript, TranscriptFormat format,
                       const SubtitleOptions& options, const TextSink& sink) {
  switch (format) {
    case TranscriptFormat::kTxt:
      return WriteTxt(transcript, sink);
    case TranscriptFormat::kVtt:
      return WriteVtt(transcript, options, sink);
    case TranscriptFormat::kSrt:
      return WriteSrt(transcript, options, sink);
    case TranscriptFormat::kTsv:
      return WriteTsv(transcript, sink);
    case TranscriptFormat::kJson:
      return WriteJson(transcript, sink);
    case TranscriptFormat::kLrc:
      return WriteLrc(transcript, sink);
    case TranscriptFormat::kCsv:
      return WriteCsv(transcript, sink);
  }
  return InvalidArgument("no transcript format has the number " +
                         std::to_string(static_cast<int>(format)));
}

std::string FormatTranscript(const Transcript& transcript, TranscriptFormat format,
                             const SubtitleOptions& options) {
  std::string file;
  const Status status = WriteTranscript(transcript, format, options, [&](std::string_view piece) {
    file += piece;
    return OkStatus();
  });
  TESSERA_CHECK(status.ok());  // this sink cannot fail
  return file;
}

std::string_view TranscriptFormatName(TranscriptFormat format) {
  for (const NamedFormat& named : kFormats) {
    if (named.format == format) return named.name;
  }
  return {};
}

std::optional<TranscriptFormat> TranscriptFormatFromName(std::string_view name) {
  for (const NamedFormat& named : kFormats) {
    if (named.name == name) return named.format;
  }
  return std::nullopt;
}

std::span<const TranscriptFormat> AllTranscriptFormats() { return kAllFormats; }

}  // namespace tessera
