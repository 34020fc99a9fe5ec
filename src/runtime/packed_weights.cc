#include "runtime/packed_weights.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/checksum.h"
#include "base/debug_log.h"
#include "base/file.h"
#include "providers/cpu/packed_file.h"
#include "tessera_version.h"

namespace tessera {
namespace {

constexpr std::string_view kEnding = ".packed";
constexpr int64_t kSecond = 1000000000;
constexpr int64_t kYoung = 2 * kSecond;         // FAT keeps times to two seconds
constexpr int64_t kForgotten = 3600 * kSecond;  // a temporary file whose writer must be dead

// The same text for every way to write a path.
std::string Canonical(const std::string& path) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(path, error);
  return error ? path : canonical.string();
}

// "whisper-base" of ".../whisper-base/model.bin", in characters that every file system takes.
std::string Stem(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string stem = BaseName(slash == std::string::npos ? path : path.substr(0, slash));
  for (char& c : stem) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.';
    if (!plain) c = '_';
  }
  stem.resize(std::min<size_t>(stem.size(), 64));
  return stem;
}

}  // namespace

Result<std::string> PackedWeightsFolder() {
  TESSERA_ASSIGN_OR_RETURN(const std::string cache, CacheFolder());
  return JoinPath(cache, "packed");
}

bool PackedWeightsEnabled() {
  const char* off = std::getenv("TESSERA_NO_CACHE");
  return off == nullptr || std::string_view(off).empty() || std::string_view(off) == "0";
}

std::optional<CompileCacheKey> PackedWeightsKey(
    std::span<const std::shared_ptr<const MappedFile>> files, std::string_view variant,
    int64_t now_ns) {
  const Result<std::string> folder = PackedWeightsFolder();
  if (files.empty() || !PackedWeightsEnabled() || !folder.ok()) return std::nullopt;
  std::string paths, stamps;
  for (const auto& file : files) {
    const FileStamp& stamp = file->stamp();
    if (now_ns - std::max(stamp.modified_ns, stamp.changed_ns) < kYoung) {
      DebugLog(file->path() + " is too new for its packed weights to be kept");
      return std::nullopt;
    }
    const std::string path = Canonical(file->path());
    paths += path + "\n";
    stamps += path + " bytes " + std::to_string(stamp.size) + " inode " +
              std::to_string(stamp.inode) + " modified " + std::to_string(stamp.modified_ns) +
              " changed " + std::to_string(stamp.changed_ns) + "\n";
  }
  CompileCacheKey key;
  key.source = Canonical(files[0]->path());
  const std::string name = paths + std::string(variant);
  const uint64_t hash = Checksum64(AsBytes(name));
  key.file = JoinPath(*folder, Stem(key.source) + "-" + std::string(variant) + "-" + Hex(hash) +
                                   std::string(kEnding));
  // A pass of another build may make other constants of the same files.
  key.model = stamps;
  key.identity =
      "tessera " TESSERA_VERSION " " TESSERA_GIT_COMMIT "\n" + std::string(variant) + "\n" + stamps;
  return key;
}

void CommitPackedWeights(CompileCache& cache) {
  const Result<bool> written = cache.Commit();
  if (!written.ok()) DebugLog("packed weights were not kept: " + written.status().message());
  if (!written.ok() || !*written) return;
  if (const Result<std::string> folder = PackedWeightsFolder(); folder.ok())
    TrimPackedWeights(*folder, kMaxPackedBytes);
}

Result<std::vector<PackedWeightsInfo>> ListPackedWeights(const std::string& folder) {
  std::vector<PackedWeightsInfo> list;
  if (!FolderExists(folder)) return list;
  TESSERA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(kEnding)) continue;
    const std::string path = JoinPath(folder, name);
    const auto file = MappedFile::Open(path);
    if (!file.ok()) continue;  // another process has just removed it
    PackedWeightsInfo info{.path = path,
                           .source = "",
                           .bytes = (*file)->stamp().size,
                           .written_ns = (*file)->stamp().modified_ns};
    Result<cpu::PackedFile> header = cpu::ReadPackedHeader((*file)->bytes());
    if (header.ok()) info.source = std::move(header->source);
    list.push_back(std::move(info));
  }
  std::sort(list.begin(), list.end(), [](const PackedWeightsInfo& a, const PackedWeightsInfo& b) {
    return std::tie(b.written_ns, a.path) < std::tie(a.written_ns, b.path);
  });
  return list;
}

void TrimPackedWeights(const std::string& folder, uint64_t max_bytes) {
  const auto remove = [](const std::string& path, const char* why) {
    const Status status = RemoveFile(path);
    DebugLog(path + (status.ok() ? std::string(" is removed: ") + why : ": " + status.message()));
  };
  if (const auto names = ListFolder(folder); names.ok()) {
    for (const std::string& name : *names) {
      if (!name.starts_with(".") || !name.ends_with(".tmp")) continue;
      const std::string path = JoinPath(folder, name);
      const auto file = MappedFile::Open(path);
      if (file.ok() && NowNs() - (*file)->stamp().changed_ns > kForgotten)
        remove(path, "its writer is gone");
    }
  }
  const auto list = ListPackedWeights(folder);
  if (!list.ok()) return;
  uint64_t total = 0;
  for (const PackedWeightsInfo& info : *list) {
    total += info.bytes;
    if (!info.source.empty() && !FileExists(info.source)) {
      remove(info.path, "its model is gone");
      total -= info.bytes;
    } else if (total > max_bytes) {
      remove(info.path, "the folder is full");
      total -= info.bytes;
    }
  }
}

Result<uint64_t> ClearPackedWeights(const std::string& folder) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<PackedWeightsInfo> list, ListPackedWeights(folder));
  uint64_t bytes = 0;
  for (const PackedWeightsInfo& info : list) {
    TESSERA_RETURN_IF_ERROR(RemoveFile(info.path));
    bytes += info.bytes;
  }
  return bytes;
}

}  // namespace tessera
