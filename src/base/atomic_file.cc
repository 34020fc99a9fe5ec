#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/posix_error.h"

namespace tessera {
namespace {

// A new file gets the mode that the umask gives it, a replaced one hands its own down.
void InheritMode(int fd, const std::string& replaced) {
  struct stat info = {};
  if (stat(replaced.c_str(), &info) == 0) fchmod(fd, info.st_mode & 07777);
}

std::string ResolveLink(const std::string& path) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return path;  // a dangling link is replaced by the file
  std::string target(resolved);
  std::free(resolved);
  return target;
}

// The rename itself is durable only when the folder is flushed too. File systems that cannot flush
// a folder say EINVAL.
void SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

Result<AtomicFileWriter> AtomicFileWriter::Create(const std::string& path) {
  const std::string target = ResolveLink(path);
  if (FolderExists(target)) {
    return InvalidArgument("expected to write a file at \"" + path +
                           "\", found a folder of that name");
  }
  const size_t name_at = target.rfind('/') + 1;
  // A long name is cut, so that the temporary one still fits into the 255 bytes of a file name.
  const std::string stem = target.substr(0, name_at) + "." + target.substr(name_at, 200) + ".";
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string temporary =
        stem + std::to_string(getpid()) + "-" + std::to_string(attempt) + ".tmp";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
      InheritMode(fd, target);
      return AtomicFileWriter(target, temporary, fd);
    }
    if (errno != EEXIST) return PosixError(errno, "cannot write \"" + path + "\"");
  }
  return Unavailable("cannot write \"" + path + "\": " + std::to_string(kAttempts) +
                     " temporary files lie beside it; remove \"" + stem + "*.tmp\"");
}

AtomicFileWriter::AtomicFileWriter(AtomicFileWriter&& other) noexcept { *this = std::move(other); }

AtomicFileWriter& AtomicFileWriter::operator=(AtomicFileWriter&& other) noexcept {
  if (this != &other) {
    Abandon();
    path_ = std::move(other.path_);
    temporary_ = std::move(other.temporary_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

AtomicFileWriter::~AtomicFileWriter() { Abandon(); }

void AtomicFileWriter::Abandon() {
  if (fd_ < 0) return;
  close(std::exchange(fd_, -1));
  unlink(temporary_.c_str());
}

Status AtomicFileWriter::Append(Bytes bytes) {
  TESSERA_CHECK(fd_ >= 0);
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return PosixError(errno, "cannot write \"" + path_ + "\"");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return OkStatus();
}

Status AtomicFileWriter::Commit(Durability durability) {
  TESSERA_CHECK(fd_ >= 0);
  const bool flush = durability == Durability::kFlush;
  if (flush && fsync(fd_) != 0 && errno != EINVAL) {
    const int error = errno;
    Abandon();
    return PosixError(error, "cannot write \"" + path_ + "\"");
  }
  // close() reports errors that a network file system kept back.
  const int closed = close(std::exchange(fd_, -1));
  if (closed != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    unlink(temporary_.c_str());
    return PosixError(error, "cannot write \"" + path_ + "\"");
  }
  if (flush) SyncFolderOf(path_);
  return OkStatus();
}

Status WriteFileAtomically(const std::string& path, std::string_view content) {
  TESSERA_ASSIGN_OR_RETURN(AtomicFileWriter writer, AtomicFileWriter::Create(path));
  TESSERA_RETURN_IF_ERROR(writer.Append(AsBytes(content)));
  return writer.Commit();
}

}  // namespace tessera
