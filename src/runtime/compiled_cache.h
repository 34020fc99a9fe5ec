// What vendors' compilers made, kept between starts: how much it may be, and what goes first.
//
// CacheFolder()/compiled holds a folder for each model, provider and precision, of a few hundred MB
// each; providers fill them (FixedProvider::OpenCache, CompileCacheKey::file). A process that uses
// one holds a shared lock beside it. When all of them are larger than the limit, those that were
// used longest ago are removed, but none in use. The limit is 4 GB, a large model or ten of the
// size of whisper-base; TESSERA_COMPILED_LIMIT (GB) changes it, 0 keeps what is in use alone.
//
// Folders are told by their place alone: links are neither followed nor removed. Functions are
// thread-safe, also across processes.
#ifndef TESSERA_RUNTIME_COMPILED_CACHE_H_
#define TESSERA_RUNTIME_COMPILED_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file_lock.h"

namespace tessera {

// CacheFolder()/compiled; it need not exist.
Result<std::string> CompiledCacheFolder();
uint64_t CompiledCacheLimit();  // bytes

// A model's folder in use, while it lives.
class CompiledCacheUse {
 public:
  // `name`: of a folder in `root`, which need not exist. Null where it cannot be locked; then it is
  // used without, and may be removed meanwhile, which costs compiling it again.
  static std::shared_ptr<const CompiledCacheUse> Begin(const std::string& root,
                                                       const std::string& name);
  // The folder is the one that was used last, from now on.
  void Mark() const;

 private:
  CompiledCacheUse(std::string folder, FileLock lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}

  const std::string folder_;
  const FileLock lock_;
};

struct CompiledCacheInfo {
  std::string path;
  std::string source;    // the model's; "" where it does not say
  std::string provider;  // "onnxruntime:qnn", with its version
  uint64_t bytes = 0;    // on the disk
  int64_t used_ns = 0;   // since 1970; 0: it does not say
  bool in_use = false;
};
// The last used first; none when there is no folder.
Result<std::vector<CompiledCacheInfo>> ListCompiledCache(const std::string& root);
// Removes what was used longest ago until all together have at most `max_bytes`. Failures go to the
// debug log.
void TrimCompiledCache(const std::string& root, uint64_t max_bytes);
// Removes all that are not in use; the bytes that they had.
Result<uint64_t> ClearCompiledCache(const std::string& root);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_COMPILED_CACHE_H_
