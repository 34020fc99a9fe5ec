#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/posix_error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadStep = 1 << 16;

Status Failed(const std::error_code& error, const std::string& what) {
  return PosixError(error.value(), what);
}

// An environment variable that holds an absolute path; the XDG specification says to ignore
// relative ones.
std::string AbsoluteFromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

}  // namespace

Result<std::string> ReadFile(const std::string& path, uint64_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return PosixError(errno, "cannot open \"" + path + "\"");
  std::string content;
  size_t used = 0;
  // A size that is known saves copies, but is not trusted: /proc says 0, a log file grows.
  struct stat info = {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    content.resize(std::min(static_cast<uint64_t>(info.st_size), limit) + 1);
  }
  for (;;) {
    if (used == content.size()) content.resize(used + std::max(kReadStep, used / 2));
    const ssize_t got = read(fd, content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      close(fd);
      return PosixError(error, "cannot read \"" + path + "\"");
    }
    used += static_cast<size_t>(got);
    if (used > limit) {
      close(fd);
      return ResourceExhausted("expected at most " + std::to_string(limit) + " bytes in \"" + path +
                               "\", found more; is it the right file?");
    }
    if (got == 0) break;
  }
  close(fd);
  content.resize(used);
  return content;
}

bool FileExists(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool FolderExists(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

Result<uint64_t> FileSize(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return Failed(error, "cannot find the size of \"" + path + "\"");
  return static_cast<uint64_t>(size);
}

Result<std::vector<std::string>> ListFolder(const std::string& path, size_t limit) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    if (names.size() == limit) {
      return ResourceExhausted("expected at most " + std::to_string(limit) + " entries in \"" +
                               path + "\", found more");
    }
    names.push_back(it->path().filename().string());
  }
  if (error) return Failed(error, "cannot list \"" + path + "\"");
  std::sort(names.begin(), names.end());
  return names;
}

Status MakeFolders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Failed(error, "cannot make the folder \"" + path + "\"");
  return OkStatus();
}

Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return OkStatus();
  return PosixError(errno, "cannot remove \"" + path + "\"");
}

Status RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return Failed(error, "cannot remove the folder \"" + path + "\"");
  return OkStatus();
}

Status RenameFile(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return OkStatus();
  return PosixError(errno, "cannot rename \"" + from + "\" to \"" + to + "\"");
}

Result<uint64_t> FreeDiskSpace(const std::string& path) {
  struct statvfs info = {};
  if (statvfs(path.c_str(), &info) != 0) {
    return PosixError(errno, "cannot examine the file system of \"" + path + "\"");
  }
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

std::string BaseName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

Result<std::string> CacheFolder() {
  if (std::string xdg = AbsoluteFromEnvironment("XDG_CACHE_HOME"); !xdg.empty()) {
    return JoinPath(xdg, "tessera");
  }
  if (std::string home = AbsoluteFromEnvironment("HOME"); !home.empty()) {
    return JoinPath(home, ".cache/tessera");
  }
  return NotFound(
      "expected XDG_CACHE_HOME or HOME to hold an absolute path, found neither; set "
      "TESSERA_MODELS to the folder of your models");
}

Result<std::string> ModelsFolder() {
  const char* models = std::getenv("TESSERA_MODELS");
  if (models != nullptr && models[0] != '\0') return std::string(models);
  TESSERA_ASSIGN_OR_RETURN(const std::string cache, CacheFolder());
  return JoinPath(cache, "models");
}

}  // namespace tessera
