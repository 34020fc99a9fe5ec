#include "base/process_info.h"

#include <cstdlib>

#if defined(__unix__) || defined(__APPLE__)
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>
#endif

namespace tessera {

#if defined(__unix__) || defined(__APPLE__)

namespace {
// Names and their numbers; entries of large directories may need more, and are then not named.
constexpr size_t kEntryBytes = 64 << 10;
}  // namespace

std::optional<uint64_t> LockedMemoryLimit() {
  if (geteuid() == 0) return std::nullopt;
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return std::nullopt;
  return static_cast<uint64_t>(limit.rlim_cur);
}

std::string UserName() {
  std::vector<char> buffer(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return "";
  return found->pw_name;
}

std::string GroupOfFile(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return "";
  std::vector<char> buffer(kEntryBytes);
  group entry{};
  group* found = nullptr;
  if (getgrgid_r(info.st_gid, &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return std::to_string(info.st_gid);
  return found->gr_name;
}

#else

std::optional<uint64_t> LockedMemoryLimit() { return std::nullopt; }
std::string UserName() { return ""; }
std::string GroupOfFile(const std::string&) { return ""; }

#endif

void SetEnvironment(const std::string& name, const std::string& value) {
#if defined(_WIN32)
  _putenv_s(name.c_str(), value.c_str());
#else
  setenv(name.c_str(), value.c_str(), 1);
#endif
}

}  // namespace tessera
