// What `tessera search` was asked to do: its flags, checked and in the library's terms.
#ifndef TESSERA_CLI_SEARCH_OPTIONS_H_
#define TESSERA_CLI_SEARCH_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/engine.h"
#include "tessera/status.h"

namespace tessera::cli {

struct SearchCommandOptions {
  // A folder (its index is kept in the cache and brought up to date before each question), or an
  // index file (which changes only when that is asked for).
  std::string index;
  std::vector<std::string> questions;  // "-": lines of stdin
  std::vector<std::string> add, remove, exclude;
  bool update = false;
  bool no_update = false;  // of a folder
  bool info = false;

  int64_t top = 5;
  bool full = false;  // whole passages, not their first lines
  bool json = false;  // stdout is one JSON object a line
  bool quiet = false;
  std::string placement;  // JSON file for the placement report; "-": stdout
  ModelOptions model;     // no name: the index's own, for a new one the default
};

// Fills *options. An exit code when the command is over with that: help that was asked for, or a
// usage error, which is on stderr.
std::optional<int> ParseSearch(const std::vector<std::string>& arguments,
                               SearchCommandOptions* options);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_SEARCH_OPTIONS_H_
