#include "base/folder_walk.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>

#include "base/check.h"
#include "base/file.h"
#include "base/posix_error.h"

namespace tessera {
namespace {

int64_t Nanoseconds(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

FileStamp StampOf(const struct stat& info) {
  return {.size = static_cast<uint64_t>(info.st_size),
          .inode = static_cast<uint64_t>(info.st_ino),
          .modified_ns = Nanoseconds(info.st_mtim),
          .changed_ns = Nanoseconds(info.st_ctim)};
}

}  // namespace

Result<FileStamp> StampOfFile(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return PosixError(errno, "cannot examine \"" + path + "\"");
  if (!S_ISREG(info.st_mode))
    return InvalidArgument("expected a file at \"" + path + "\", found something else");
  return StampOf(info);
}

Result<FolderUsage> UsageOfFolder(const std::string& folder, size_t limit) {
  constexpr uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
  struct stat root = {};
  if (lstat(folder.c_str(), &root) != 0)
    return PosixError(errno, "cannot examine \"" + folder + "\"");
  if (!S_ISDIR(root.st_mode))
    return InvalidArgument("expected a folder at \"" + folder + "\", found something else");
  FolderUsage usage;
  std::set<ino_t> seen;  // of several names
  std::vector<std::string> folders = {folder};
  size_t entries = 0;
  while (!folders.empty()) {
    const std::string current = std::move(folders.back());
    folders.pop_back();
    const Result<std::vector<std::string>> names = ListFolder(current, limit);
    if (!names.ok()) {
      usage.complete = false;
      continue;
    }
    for (const std::string& name : *names) {
      std::string path = JoinPath(current, name);
      struct stat info = {};
      if (++entries > limit) {
        usage.complete = false;
        return usage;
      }
      if (lstat(path.c_str(), &info) != 0) {
        usage.complete &= errno == ENOENT;
        continue;
      }
      if (info.st_dev != root.st_dev) continue;
      if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !seen.insert(info.st_ino).second) continue;
      const uint64_t bytes = static_cast<uint64_t>(info.st_blocks) * kBlock;
      usage.bytes += std::min(bytes, std::numeric_limits<uint64_t>::max() - usage.bytes);
      if (S_ISDIR(info.st_mode)) folders.push_back(std::move(path));
    }
  }
  return usage;
}

Result<FolderFiles> WalkFolder(const std::string& folder,
                               const std::function<bool(const std::string& path, bool)>& enter,
                               size_t limit, std::stop_token stop) {
  FolderFiles found;
  std::vector<std::string> folders = {folder};  // still to be listed
  while (!folders.empty()) {
    if (stop.stop_requested()) return Cancelled("looking through \"" + folder + "\" was stopped");
    const std::string current = std::move(folders.back());
    folders.pop_back();
    Result<std::vector<std::string>> names = ListFolder(current, limit);
    if (!names.ok()) {
      if (current == folder) return std::move(names).status();
      found.failures.push_back({current, std::move(names).status()});
      continue;
    }
    for (const std::string& name : *names) {
      std::string path = JoinPath(current, name);
      struct stat info = {};
      if (lstat(path.c_str(), &info) != 0) {
        // Gone since it was listed.
        if (errno != ENOENT)
          found.failures.push_back({path, PosixError(errno, "cannot examine \"" + path + "\"")});
        continue;
      }
      if (S_ISLNK(info.st_mode) && (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)))
        continue;
      const bool is_folder = S_ISDIR(info.st_mode);
      if ((!is_folder && !S_ISREG(info.st_mode)) || !enter(path, is_folder)) continue;
      if (is_folder) {
        folders.push_back(std::move(path));
        continue;
      }
      if (found.files.size() == limit) {
        return ResourceExhausted("expected at most " + std::to_string(limit) + " files in \"" +
                                 folder + "\", found more; take one of its folders");
      }
      found.files.push_back({std::move(path), StampOf(info)});
    }
  }
  std::sort(found.files.begin(), found.files.end(),
            [](const WalkedFile& a, const WalkedFile& b) { return a.path < b.path; });
  return found;
}

}  // namespace tessera
