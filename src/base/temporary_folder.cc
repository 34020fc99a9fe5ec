#include "base/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/debug_log.h"
#include "base/file.h"

namespace tessera {

Result<TemporaryFolder> TemporaryFolder::Create() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error)
    return Unavailable("no folder for temporary files: " + error.message() +
                       "; set TMPDIR to a folder that can be written");
  const std::string pattern = (parent / "tessera-XXXXXX").string();
  std::vector<char> name(pattern.begin(), pattern.end());
  name.push_back('\0');
  if (mkdtemp(name.data()) == nullptr)
    return Unavailable("creating a folder in " + parent.string() +
                       " failed: " + std::generic_category().message(errno) +
                       "; set TMPDIR to a folder that can be written");
  return TemporaryFolder(name.data());
}

TemporaryFolder::~TemporaryFolder() {
  if (path_.empty()) return;
  if (const Status status = RemoveFolder(path_); !status.ok()) DebugLog(status.message());
}

}  // namespace tessera
