// Packed weights between processes: finds those of an earlier start in a mapped file, used in
// place, and writes the file when some had to be made.
//
// What a file was made for is told by its key (compile_cache.h) and, for each entry, by name,
// sizes, precision and a fingerprint of its sources: their types, shapes and first values. Those
// lie on pages that reading the model touches anyway; they guard against a graph whose constants a
// pass has changed, which the model's files cannot tell. An entry that does not fit is made again,
// with it the whole file.
//
// Memory: what was found is pages of the file, shared by all processes that use it.
// Thread-compatible.
#ifndef TESSERA_PROVIDERS_CPU_WEIGHT_CACHE_H_
#define TESSERA_PROVIDERS_CPU_WEIGHT_CACHE_H_

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "providers/compile_cache.h"
#include "providers/cpu/packed_file.h"
#include "providers/cpu/program.h"

namespace tessera::cpu {

// f32 values kept alive by `owner`.
struct SharedFloats {
  const float* data = nullptr;
  std::shared_ptr<const void> owner;
};

// Of views with constant data; one without data counts as such.
uint64_t Fingerprint(std::span<const View> sources);
uint64_t Fingerprint(std::span<const kernels::LinearSource> sources);

class WeightCache : public CompileCache {
 public:
  // Never fails: a file that cannot be used is as good as none, and the debug log says why. Takes a
  // turn on `pool`.
  static std::shared_ptr<WeightCache> Open(CompileCacheKey key, std::shared_ptr<SharedPool> pool);

  // From the file; nothing when it has no entry that fits.
  std::optional<kernels::PackedLinear> FindLinear(const std::string& name,
                                                  kernels::Precision precision, int64_t n,
                                                  int64_t k, uint64_t fingerprint);
  std::optional<SharedFloats> FindFloats(const std::string& name, int64_t count,
                                         uint64_t fingerprint);

  // For the file, under a name that was not there yet.
  void Add(const std::string& name, uint64_t fingerprint, const kernels::PackedLinear& linear);
  void Add(const std::string& name, uint64_t fingerprint, const SharedFloats& floats,
           int64_t count);

  Result<bool> Commit() override;

  // Layers and arrays that came from the file, and that were made.
  int num_found() const { return num_found_; }
  int num_made() const { return num_made_; }

 private:
  struct Kept {
    PackedEntry entry;
    std::shared_ptr<const void> owner;
  };
  WeightCache(CompileCacheKey key, std::shared_ptr<SharedPool> pool)
      : key_(std::move(key)), pool_(std::move(pool)) {}
  Status Map();
  const PackedEntry* Find(const std::string& name, PackedKind kind, kernels::Precision precision,
                          int64_t n, int64_t k, uint64_t fingerprint);
  void Keep(PackedEntry entry, std::shared_ptr<const void> owner);

  const CompileCacheKey key_;
  const std::shared_ptr<SharedPool> pool_;
  std::shared_ptr<const MappedFile> mapped_;
  std::map<std::string, PackedEntry, std::less<>> entries_;  // of the file
  std::map<std::string, Kept, std::less<>> kept_;            // of the programs compiled so far
  int num_found_ = 0, num_made_ = 0;
};

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_WEIGHT_CACHE_H_
