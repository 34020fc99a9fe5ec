// All files below a folder, with what tells whether one has changed.
#ifndef TESSERA_BASE_FOLDER_WALK_H_
#define TESSERA_BASE_FOLDER_WALK_H_

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

// The stamp of the file at `path`, links followed, without opening it. kInvalidArgument for what is
// no regular file.
Result<FileStamp> StampOfFile(const std::string& path);

struct WalkedFile {
  std::string path;  // begins with the folder's
  FileStamp stamp;
};

struct FolderFiles {
  std::vector<WalkedFile> files;  // sorted by path, byte by byte
  struct Failure {
    std::string path;
    Status status;
  };
  std::vector<Failure> failures;  // folders and files that could not be looked at
};

// Regular files in `folder` and below it; links to files are followed, links to folders are not.
// `enter(path, is_folder)` decides about each entry; what it declines is left out with all that it
// holds. A folder below that cannot be read is a failure in the list; `folder` itself, kCancelled
// after a stop request, and kResourceExhausted for more than `limit` files are errors. Thread-safe.
Result<FolderFiles> WalkFolder(const std::string& folder,
                               const std::function<bool(const std::string& path, bool)>& enter,
                               size_t limit = 2000000, std::stop_token stop = {});

// What a folder and all below it take on the disk. Links are counted, not followed; a file of
// several names counts once, holes do not, and other file systems that are mounted below are left
// out.
struct FolderUsage {
  uint64_t bytes = 0;
  bool complete = true;  // false: something could not be looked at, or there was more than `limit`
};
// kInvalidArgument for what is no folder itself, a link to one for instance; kNotFound.
Result<FolderUsage> UsageOfFolder(const std::string& folder, size_t limit = 100000);

}  // namespace tessera

#endif  // TESSERA_BASE_FOLDER_WALK_H_
