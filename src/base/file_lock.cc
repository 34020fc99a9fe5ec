#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/posix_error.h"

namespace tessera {

Result<FileLock> FileLock::Acquire(const std::string& path) { return Take(path, LOCK_EX); }

Result<FileLock> FileLock::AcquireShared(const std::string& path) { return Take(path, LOCK_SH); }

Result<FileLock> FileLock::Take(const std::string& path, int operation) {
  const std::string name = BaseName(path);
  // A long name is cut, so that the lock's fits into the 255 bytes of a file name.
  const std::string lock_path =
      path.substr(0, path.size() - name.size()) + "." + name.substr(0, 240) + ".lock";
  for (;;) {
    const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return PosixError(errno, "cannot lock \"" + path + "\"");
    if (flock(fd, operation | LOCK_NB) != 0) {
      const int error = errno;
      close(fd);
      if (error == EINTR) continue;
      if (error != EWOULDBLOCK) return PosixError(error, "cannot lock \"" + path + "\"");
      return Unavailable("\"" + path + "\" is being used by another process; wait until it ends");
    }
    // The holder before may have removed the file between our two calls: then nobody else would
    // see this lock.
    struct stat ours = {}, named = {};
    if (fstat(fd, &ours) == 0 && stat(lock_path.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
      return FileLock(lock_path, fd);
    close(fd);
  }
}

FileLock::~FileLock() {
  if (fd_ < 0) return;
  // While nobody else can hold it: a lock that is shared goes with its last holder.
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) unlink(lock_path_.c_str());
  close(fd_);
}

}  // namespace tessera
