#include "providers/cpu/weight_cache.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/debug_log.h"
#include "base/file.h"

namespace tessera::cpu {
namespace {

// A disk that the file would fill is left alone.
constexpr uint64_t kMinFreeBytes = 256 << 20;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

uint64_t Fingerprint(const View& view, uint64_t seed) {
  constexpr size_t kFirstBytes = 64;
  std::vector<int64_t> facts = {static_cast<int64_t>(view.dtype), view.data == nullptr ? 0 : 1};
  facts.insert(facts.end(), view.shape.begin(), view.shape.end());
  seed = Checksum64(
      {reinterpret_cast<const uint8_t*>(facts.data()), facts.size() * sizeof(int64_t)}, seed);
  if (view.data == nullptr) return seed;
  return Checksum64({static_cast<const uint8_t*>(view.data), std::min(kFirstBytes, view.bytes())},
                    seed);
}

}  // namespace

uint64_t Fingerprint(std::span<const View> sources) {
  uint64_t sum = sources.size();
  for (const View& view : sources) sum = Fingerprint(view, sum);
  return sum;
}

uint64_t Fingerprint(std::span<const kernels::LinearSource> sources) {
  std::vector<View> views;
  for (const kernels::LinearSource& source : sources) {
    views.push_back(source.weight);
    views.push_back(source.bias);
  }
  return Fingerprint(std::span<const View>(views));
}

std::shared_ptr<WeightCache> WeightCache::Open(CompileCacheKey key,
                                               std::shared_ptr<SharedPool> pool) {
  // What this build makes of the same weights is part of what they are.
  key.identity += "\npacking " + std::to_string(kernels::kPackingVersion);
  std::shared_ptr<WeightCache> cache(new WeightCache(std::move(key), std::move(pool)));
  if (const Status status = cache->Map(); !status.ok()) {
    cache->entries_.clear();
    cache->mapped_.reset();
    if (status.code() != StatusCode::kNotFound)
      DebugLog(cache->key_.file + " is not used and will be made again: " + status.message());
  }
  return cache;
}

Status WeightCache::Map() {
  TESSERA_ASSIGN_OR_RETURN(mapped_, MappedFile::Open(key_.file));
  const Bytes bytes = mapped_->bytes();
  TESSERA_ASSIGN_OR_RETURN(const PackedFile header, ReadPackedHeader(bytes));
  if (header.identity != key_.identity)
    return DataLoss("packed weights: made of other weights or by another version");
  // All of it is read now to be verified and soon to be used.
  const std::lock_guard<std::mutex> turn(pool_->mutex);
  TESSERA_ASSIGN_OR_RETURN(PackedFile file, ReadPackedFile(bytes, pool_->pool));
  for (PackedEntry& entry : file.entries) {
    std::string name = entry.name;
    entries_.emplace(std::move(name), std::move(entry));
  }
  return OkStatus();
}

const PackedEntry* WeightCache::Find(const std::string& name, PackedKind kind,
                                     kernels::Precision precision, int64_t n, int64_t k,
                                     uint64_t fingerprint) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return nullptr;
  const PackedEntry& entry = it->second;
  if (entry.kind != kind || entry.precision != precision || entry.n != n || entry.k != k ||
      entry.fingerprint != fingerprint) {
    DebugLog(key_.file + ": " + name + " is of other weights");
    return nullptr;
  }
  ++num_found_;
  Keep(entry, mapped_);
  return &entry;
}

std::optional<kernels::PackedLinear> WeightCache::FindLinear(const std::string& name,
                                                             kernels::Precision precision,
                                                             int64_t n, int64_t k,
                                                             uint64_t fingerprint) {
  const PackedEntry* entry = Find(name, PackedKind::kLinear, precision, n, k, fingerprint);
  if (entry == nullptr) return std::nullopt;
  Result<kernels::PackedLinear> view =
      kernels::ViewPackedLinear(precision, n, k, entry->bytes, mapped_);
  TESSERA_CHECK(view.ok());  // its size was checked when the file was read
  return std::move(view).value();
}

std::optional<SharedFloats> WeightCache::FindFloats(const std::string& name, int64_t count,
                                                    uint64_t fingerprint) {
  const PackedEntry* entry =
      Find(name, PackedKind::kFloats, kernels::Precision::kF32, count, 1, fingerprint);
  if (entry == nullptr) return std::nullopt;
  return SharedFloats{reinterpret_cast<const float*>(entry->bytes.data()), mapped_};
}

void WeightCache::Keep(PackedEntry entry, std::shared_ptr<const void> owner) {
  std::string name = entry.name;
  kept_.insert_or_assign(std::move(name), Kept{std::move(entry), std::move(owner)});
}

void WeightCache::Add(const std::string& name, uint64_t fingerprint,
                      const kernels::PackedLinear& linear) {
  ++num_made_;
  Keep({name, PackedKind::kLinear, linear.precision, linear.n, linear.k, fingerprint, linear.bytes},
       linear.owner);
}

void WeightCache::Add(const std::string& name, uint64_t fingerprint, const SharedFloats& floats,
                      int64_t count) {
  ++num_made_;
  const Bytes bytes(reinterpret_cast<const uint8_t*>(floats.data),
                    static_cast<size_t>(count) * sizeof(float));
  Keep({name, PackedKind::kFloats, kernels::Precision::kF32, count, 1, fingerprint, bytes},
       floats.owner);
}

Result<bool> WeightCache::Commit() {
  const std::map<std::string, Kept, std::less<>> kept = std::move(kept_);
  kept_.clear();
  entries_.clear();
  mapped_.reset();
  if (num_made_ == 0) return false;
  PackedFile file{key_.identity, key_.source, {}};
  uint64_t bytes = 0;
  for (const auto& [name, item] : kept) {
    file.entries.push_back(item.entry);
    bytes += item.entry.bytes.size();
  }
  const std::string folder = FolderOf(key_.file);
  TESSERA_RETURN_IF_ERROR(MakeFolders(folder));
  TESSERA_ASSIGN_OR_RETURN(const uint64_t free, FreeDiskSpace(folder));
  if (free < bytes + kMinFreeBytes)
    return ResourceExhausted("no " + std::to_string((bytes + kMinFreeBytes) >> 20) +
                             " MiB are free in " + folder);
  const std::lock_guard<std::mutex> turn(pool_->mutex);
  TESSERA_RETURN_IF_ERROR(WritePackedFile(key_.file, file, pool_->pool));
  return true;
}

}  // namespace tessera::cpu
