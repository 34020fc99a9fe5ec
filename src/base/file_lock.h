// One writer at a time, or any number of users, also across processes: a lock that belongs to a
// file's path.
//
// The lock is a small file ".NAME.lock" beside it, locked with the operating system's advisory
// locks: it is free again when its process ends, however that ends. It is removed on the last
// release.
#ifndef TESSERA_BASE_FILE_LOCK_H_
#define TESSERA_BASE_FILE_LOCK_H_

#include <string>
#include <utility>

#include "tessera/status.h"

namespace tessera {

// Movable; not thread-safe.
class FileLock {
 public:
  // Does not wait. kUnavailable when another holder, in this process or another one, has it;
  // kPermissionDenied or kNotFound where the folder cannot be written or is not there.
  static Result<FileLock> Acquire(const std::string& path);
  // The same, beside others that share it.
  static Result<FileLock> AcquireShared(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept
      : lock_path_(std::move(other.lock_path_)), fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;

 private:
  static Result<FileLock> Take(const std::string& path, int operation);
  FileLock(std::string lock_path, int fd) : lock_path_(std::move(lock_path)), fd_(fd) {}

  std::string lock_path_;
  int fd_;
};

}  // namespace tessera

#endif  // TESSERA_BASE_FILE_LOCK_H_
