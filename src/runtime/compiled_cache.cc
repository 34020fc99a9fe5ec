#include "runtime/compiled_cache.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/debug_log.h"
#include "base/file.h"
#include "base/folder_walk.h"

namespace tessera {
namespace {

constexpr const char* kUsedFile = "used";
constexpr const char* kIdentityFile = "identity";
constexpr uint64_t kMaxIdentity = uint64_t{1} << 20;
constexpr uint64_t kDefaultLimit = uint64_t{4} << 30;
constexpr double kGigabyte = 1e9, kMostGigabytes = 1e9;

// The rest of the last line that begins with `key`; "" when there is none.
std::string LineOf(const std::string& text, const std::string& key) {
  const size_t at = ("\n" + text).rfind("\n" + key);
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

// Removed by us alone, unless another process uses it.
Status RemoveUnused(const std::string& folder) {
  TESSERA_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Acquire(folder));
  return RemoveFolder(folder);
}

}  // namespace

Result<std::string> CompiledCacheFolder() {
  TESSERA_ASSIGN_OR_RETURN(const std::string cache, CacheFolder());
  return JoinPath(cache, "compiled");
}

uint64_t CompiledCacheLimit() {
  const char* const asked = std::getenv("TESSERA_COMPILED_LIMIT");
  if (asked == nullptr || *asked == '\0') return kDefaultLimit;
  char* end = nullptr;
  const double gigabytes = std::strtod(asked, &end);
  if (*end == '\0' && gigabytes >= 0 && gigabytes <= kMostGigabytes)
    return static_cast<uint64_t>(gigabytes * kGigabyte);
  DebugLog(std::string("TESSERA_COMPILED_LIMIT: expected GB, found \"") + asked + "\"");
  return kDefaultLimit;
}

std::shared_ptr<const CompiledCacheUse> CompiledCacheUse::Begin(const std::string& root,
                                                                const std::string& name) {
  const std::string folder = JoinPath(root, name);
  if (const Status made = MakeFolders(root); !made.ok()) return nullptr;
  Result<FileLock> lock = FileLock::AcquireShared(folder);
  if (!lock.ok()) {
    DebugLog(lock.status().message());
    return nullptr;
  }
  return std::shared_ptr<const CompiledCacheUse>(
      new CompiledCacheUse(folder, std::move(lock).value()));
}

void CompiledCacheUse::Mark() const {
  const std::string file = JoinPath(folder_, kUsedFile);
  if (!FolderExists(folder_)) return;
  Status status = RemoveFile(file);  // a link too: what it points to is not ours
  if (status.ok()) status = WriteFileAtomically(file, "");
  if (!status.ok()) DebugLog(status.message());
}

Result<std::vector<CompiledCacheInfo>> ListCompiledCache(const std::string& root) {
  std::vector<CompiledCacheInfo> list;
  if (!FolderExists(root)) return list;
  TESSERA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(root));
  for (const std::string& name : names) {
    if (name.starts_with(".")) continue;
    CompiledCacheInfo info{.path = JoinPath(root, name)};
    const Result<FolderUsage> usage = UsageOfFolder(info.path);
    if (!usage.ok()) continue;  // no folder of ours, or gone
    info.bytes = usage->bytes;
    if (const auto identity = ReadFile(JoinPath(info.path, kIdentityFile), kMaxIdentity);
        identity.ok()) {
      info.source = LineOf(*identity, "source ");
      info.provider = LineOf(*identity, "backend ");
      info.provider.resize(std::min(info.provider.size(), info.provider.rfind(' ')));
    }
    const Result<FileStamp> used = StampOfFile(JoinPath(info.path, kUsedFile));
    if (used.ok()) info.used_ns = used->modified_ns;
    const Result<FileLock> lock = FileLock::Acquire(info.path);
    info.in_use = !lock.ok() && lock.status().code() == StatusCode::kUnavailable;
    list.push_back(std::move(info));
  }
  std::sort(list.begin(), list.end(), [](const CompiledCacheInfo& a, const CompiledCacheInfo& b) {
    return std::tie(b.used_ns, a.path) < std::tie(a.used_ns, b.path);
  });
  return list;
}

void TrimCompiledCache(const std::string& root, uint64_t max_bytes) {
  const auto list = ListCompiledCache(root);
  if (!list.ok()) return;
  uint64_t total = 0;
  for (const CompiledCacheInfo& info : *list) total += info.bytes;
  for (auto info = list->rbegin(); info != list->rend() && total > max_bytes; ++info) {
    const Status status = RemoveUnused(info->path);
    DebugLog(info->path +
             (status.ok() ? " is removed: the cache is full" : ": " + status.message()));
    if (status.ok()) total -= info->bytes;
  }
}

Result<uint64_t> ClearCompiledCache(const std::string& root) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<CompiledCacheInfo> list, ListCompiledCache(root));
  uint64_t bytes = 0;
  for (const CompiledCacheInfo& info : list) {
    const Status status = RemoveUnused(info.path);
    if (status.code() == StatusCode::kUnavailable) continue;  // in use
    TESSERA_RETURN_IF_ERROR(status);
    bytes += info.bytes;
  }
  return bytes;
}

}  // namespace tessera
