// Three families of flag names, one meaning: Tessera's own kebab-case names, openai-whisper's
// (snake_case, True/False values) and whisper-cli's (one dash, several letters). Everything is
// rewritten to Tessera's own spelling "--name=value" before the options are parsed, so that later
// code knows one family only.
//
// Where the families disagree: `-f` is whisper-cli's input file, except that `-f srt` (a format
// name that is no existing file) is openai-whisper's output format; `-o` is the output folder; `-d`
// is whisper-cli's duration in milliseconds.
#ifndef TESSERA_CLI_FLAG_DIALECTS_H_
#define TESSERA_CLI_FLAG_DIALECTS_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera::cli {

struct NormalizedArguments {
  std::vector<std::string> flags;   // "--name=value" or "--name", in order
  std::vector<std::string> inputs;  // file arguments, in order; "-" is stdin
  std::vector<std::string> notes;  // for stderr: where a foreign flag is taken in a near sense only
};

// Rewrites the arguments of `tessera transcribe`. kInvalidArgument: an unknown flag (the message
// names the nearest one), a missing value, or a foreign flag whose feature Tessera does not have
// (the message says what to use instead). `file_exists` decides the meaning of `-f`.
Result<NormalizedArguments> NormalizeTranscribeArguments(
    const std::vector<std::string>& arguments,
    const std::function<bool(const std::string&)>& file_exists);

// "True", "false", "1", "yes", ... as openai-whisper and people write it.
Result<bool> ParseBool(std::string_view text);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_FLAG_DIALECTS_H_
