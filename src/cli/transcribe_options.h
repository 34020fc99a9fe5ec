// What `tessera transcribe` was asked to do: its flags, checked and in the library's terms.
#ifndef TESSERA_CLI_TRANSCRIBE_OPTIONS_H_
#define TESSERA_CLI_TRANSCRIBE_OPTIONS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/writers.h"
#include "tessera/engine.h"
#include "tessera/status.h"
#include "tessera/transcribe.h"

namespace tessera::cli {

enum class Show { kAuto, kAlways, kNever };

struct TranscribeCommandOptions {
  std::vector<std::string> inputs;  // files, folders, globs, "-"
  ModelOptions model{.model = kDefaultSpeechModel};
  TranscribeOptions transcribe;

  // Results. Without formats the transcript goes to stdout; with them, to files.
  std::vector<TranscriptFormat> formats;  // "all" already expanded, no duplicates
  std::string output_dir;                 // "" is the current folder, "-" is stdout
  std::string output_file;                // path without extension, one input only
  bool skip_existing = false;             // an input whose outputs all exist is left out
  bool recursive = false;                 // folders with all their sub-folders
  bool timestamps = false;                // stdout shows "[start --> end]  text"
  bool detect_language_only = false;

  std::string placement;        // JSON file for the placement report; "-": stdout
  bool quiet = false;           // no progress, no summary, no notes
  bool json = false;            // stdout is one JSON object a line: a file each, then the summary
  Show progress = Show::kAuto;  // kAuto: when stderr is a terminal

  std::optional<PcmFormat> raw;  // inputs are bare samples

  std::vector<std::string> notes;  // remarks on how flags were taken, for stderr
};

// Either options, or help text that was asked for. kInvalidArgument: usage error, the message says
// what to do.
struct ParsedTranscribe {
  std::optional<TranscribeCommandOptions> options;
  std::string help;
};
Result<ParsedTranscribe> ParseTranscribe(
    const std::vector<std::string>& arguments,
    const std::function<bool(const std::string&)>& file_exists);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_TRANSCRIBE_OPTIONS_H_
