// What `tessera transcribe` says about its work: lines of a transcript, the summary, JSON lines.
#ifndef TESSERA_CLI_REPORT_H_
#define TESSERA_CLI_REPORT_H_

#include <string>
#include <vector>

#include "tessera/engine.h"
#include "tessera/status.h"
#include "tessera/transcript.h"

namespace tessera::cli {

// The work on one input.
struct FileReport {
  std::string path;
  Status status;                     // ok, or why there is no result
  Transcript transcript;             // empty unless ok
  std::vector<std::string> outputs;  // files written
  double seconds = 0;                // of work
};

struct Summary {
  int done = 0, failed = 0, skipped = 0;
  bool interrupted = false;
  double audio_seconds = 0;
  double work_seconds = 0;  // without loading the model
  double load_seconds = 0;
  std::string model, device, precision;
};

// "int8", "auto", ...
const char* PrecisionName(Precision precision);
// "[00:00.000 --> 00:07.600]  And so ..." as openai-whisper prints it; hours only where there are
// any. Without times the text alone. No line end.
std::string SegmentLine(const Segment& segment, bool with_times);
// "3 files, 0.42 h of audio in 73 s (20.7x real time) on cpu, int8; 1 failed"
std::string SummaryLine(const Summary& summary);
// One line of JSON each, without line end: {"type":"file",...} and {"type":"summary",...}.
std::string FileJson(const FileReport& report);
std::string SummaryJson(const Summary& summary);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_REPORT_H_
