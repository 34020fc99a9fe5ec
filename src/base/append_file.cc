#include "base/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/posix_error.h"

namespace tessera {

Result<AppendFile> AppendFile::Open(const std::string& path, uint64_t keep) {
  const std::string what = "cannot write \"" + path + "\"";
  // A pipe without a reader must not hold the caller up.
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) return PosixError(errno, what);
  AppendFile file(path, fd, keep);
  struct stat info = {};
  if (fstat(fd, &info) != 0) return PosixError(errno, what);
  if (!S_ISREG(info.st_mode)) return InvalidArgument(what + ": expected a regular file");
  if (static_cast<uint64_t>(info.st_size) < keep) {
    return DataLoss("expected " + std::to_string(keep) + " bytes in \"" + path + "\", found " +
                    std::to_string(info.st_size) + "; another program has shortened it");
  }
  if (ftruncate(fd, static_cast<off_t>(keep)) != 0) return PosixError(errno, what);
  return file;
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) close(fd_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    size_ = other.size_;
  }
  return *this;
}

Status AppendFile::WriteAt(uint64_t offset, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return PosixError(errno, "cannot write \"" + path_ + "\"");
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return OkStatus();
}

Status AppendFile::Append(Bytes bytes) {
  TESSERA_RETURN_IF_ERROR(WriteAt(size_, bytes));
  size_ += bytes.size();
  return OkStatus();
}

Status AppendFile::Overwrite(uint64_t offset, Bytes bytes) {
  TESSERA_CHECK(bytes.size() <= size_ && offset <= size_ - bytes.size());
  return WriteAt(offset, bytes);
}

Status AppendFile::Sync() {
  if (fsync(fd_) != 0 && errno != EINVAL)
    return PosixError(errno, "cannot write \"" + path_ + "\"");
  return OkStatus();
}

}  // namespace tessera
