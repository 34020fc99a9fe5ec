// From the arguments of the command line to the list of files: folders, globs, stdin.
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
  bool found = false;  // in a folder argument
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

// What a folder or glob argument is searched for.
enum class InputKind {
  kMedia,  // audio and video files
  kText,   // text, Markdown and the like; not tables and JSON lines, which need to be named
};

// A path that exists is taken as it is, before its characters are read as a glob (* ? [a-z] and **
// for any folders). A folder gives its files of the kind (by extension, hidden ones left out), with
// `recursive` those of its sub-folders too. A path that does not exist and is no glob stays in
// the list: opening it tells why.
InputList ExpandInputs(const std::vector<std::string>& arguments, bool recursive,
                       InputKind kind = InputKind::kMedia);

// True for the extensions of that kind's files, in any case.
bool HasExtensionOf(InputKind kind, std::string_view path);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_INPUT_FILES_H_
