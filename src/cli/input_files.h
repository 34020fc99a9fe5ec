// From the arguments of the command line to the list of recordings: folders, globs, stdin.
#ifndef TESSERA_CLI_INPUT_FILES_H_
#define TESSERA_CLI_INPUT_FILES_H_

#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera::cli {

struct InputFile {
  std::string path;    // "-" is stdin
  std::string folder;  // sub-folder under the folder or glob argument it came from, "" at its top;
                       // results keep it
  bool operator==(const InputFile&) const = default;
};

struct InputList {
  std::vector<InputFile>
      files;  // in order of the arguments; inside a folder sorted by path; no path twice
  struct Failure {
    std::string argument;
    Status status;
  };
  std::vector<Failure> failures;  // arguments that gave nothing
};

// A path that exists is taken as it is, before its characters are read as a glob (* ? [a-z] and **
// for any folders). A folder gives its audio and video files (by extension, hidden ones left out),
// with `recursive` those of its sub-folders too. A path that does not exist and is no glob stays in
// the list: opening it tells why.
InputList ExpandInputs(const std::vector<std::string>& arguments, bool recursive);

// True for the extensions of audio and video files, in any case.
bool HasMediaExtension(std::string_view path);

// Glob match of a whole path: `*` and `?` and `[...]` stop at '/', `**` does not; a leading "**/"
// also matches nothing.
bool GlobMatches(std::string_view pattern, std::string_view path);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_INPUT_FILES_H_
