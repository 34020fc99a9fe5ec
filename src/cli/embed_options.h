// What `tessera embed` was asked to do: its flags, checked and in the library's terms.
#ifndef TESSERA_CLI_EMBED_OPTIONS_H_
#define TESSERA_CLI_EMBED_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/text_records.h"
#include "cli/vector_output.h"
#include "tessera/embed.h"
#include "tessera/engine.h"
#include "tessera/status.h"

namespace tessera::cli {

enum class Per { kAuto, kLine, kFile };  // kAuto: a line, but whole files of folders

struct EmbedCommandOptions {
  std::vector<std::string> inputs;  // files, folders, globs, "-"
  std::vector<std::string> texts;   // of the command line, embedded first
  bool recursive = false;
  Per per = Per::kAuto;
  std::optional<RecordFormat> input_format;  // nothing: by the extension, stdin has lines
  std::string text_field = "text", id_field;

  ModelOptions model{.model = kDefaultTextModel};
  EmbedOptions embed;

  std::string output = "-";  // "-": stdout
  VectorFormat output_format = VectorFormat::kJsonLines;
  bool with_text = false;
  bool resume = false;

  // Texts, and bytes of text, that are read and embedded together. Memory grows with it.
  size_t batch = 1024;
  std::string placement;  // JSON file for the placement report; "-": stdout
  bool quiet = false;     // no progress, no summary, no notes
  bool json = false;      // the summary as JSON
};

// Fills *options. An exit code when the command is over with that: help that was asked for, or a
// usage error, which is on stderr.
std::optional<int> ParseEmbed(const std::vector<std::string>& arguments,
                              EmbedCommandOptions* options);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_EMBED_OPTIONS_H_
