#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/posix_error.h"

namespace tessera {
namespace {

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

FileStamp StampOf(const struct stat& info) {
#if defined(__APPLE__)
  const timespec modified = info.st_mtimespec, changed = info.st_ctimespec;
#else
  const timespec modified = info.st_mtim, changed = info.st_ctim;
#endif
  return {.size = static_cast<uint64_t>(info.st_size),
          .inode = static_cast<uint64_t>(info.st_ino),
          .modified_ns = Nanoseconds(modified),
          .changed_ns = Nanoseconds(changed)};
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe without a writer must not wait for one.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return PosixError(errno, "cannot open \"" + path + "\"");
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return PosixError(error, "cannot examine \"" + path + "\"");
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return InvalidArgument("expected a file at \"" + path + "\", found " +
                           (S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device") +
                           "; give the path of a regular file");
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      const int error = errno;
      close(fd);
      return PosixError(error, "cannot map " + std::to_string(size) + " bytes of \"" + path + "\"");
    }
  }
  close(fd);  // the mapping keeps the file
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const uint8_t*>(data), size, StampOf(info)));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::Prefetch() const {
  if (data_ != nullptr) madvise(const_cast<uint8_t*>(data_), size_, MADV_WILLNEED);
}

void MappedFile::DontNeed(size_t offset, size_t length) const {
  if (offset >= size_) return;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t end = offset + std::min(length, size_ - offset);
  const size_t first = (offset + page - 1) / page * page;
  // The last page of the file may be partial, and belongs to the range when the range reaches the
  // end.
  const size_t last = end == size_ ? end : end / page * page;
  if (first < last) {
    madvise(const_cast<uint8_t*>(data_) + first, last - first, MADV_DONTNEED);
  }
}

}  // namespace tessera
