#include "base/spill_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace tessera {
namespace {

Status DiskError(const char* what, int error) {
  const std::string message =
      std::string(what) + " a temporary file failed: " + std::generic_category().message(error) +
      "; free some disk space or set TMPDIR to a folder that has more";
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? ResourceExhausted(message)
                                                              : Unavailable(message);
}

}  // namespace

Result<std::unique_ptr<SpillFile>> SpillFile::Create() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) {
    return Unavailable("no folder for temporary files: " + error.message() +
                       "; set TMPDIR to a folder that can be written");
  }
  const std::string pattern = (folder / "tessera-XXXXXX").string();
  std::vector<char> name(pattern.begin(), pattern.end());
  name.push_back('\0');
  const int fd = mkstemp(name.data());
  if (fd < 0) return DiskError("creating", errno);
  unlink(name.data());
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return std::unique_ptr<SpillFile>(new SpillFile(fd));
}

SpillFile::~SpillFile() { close(fd_); }

Status SpillFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (written < 0) {
      if (errno == EINTR) continue;
      return DiskError("writing", errno);
    }
    size_ += written;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return OkStatus();
}

Status SpillFile::ReadAt(int64_t offset, std::span<std::byte> out) const {
  if (offset < 0 || offset > size_ || static_cast<int64_t>(out.size()) > size_ - offset) {
    return InvalidArgument("read of " + std::to_string(out.size()) + " bytes at " +
                           std::to_string(offset) + " from a temporary file of " +
                           std::to_string(size_) + " bytes");
  }
  while (!out.empty()) {
    const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return DiskError("reading", errno);
    }
    if (got == 0) return DataLoss("a temporary file ended early: was it truncated from outside?");
    offset += got;
    out = out.subspan(static_cast<size_t>(got));
  }
  return OkStatus();
}

}  // namespace tessera
