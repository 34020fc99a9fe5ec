// Where packed weights lie between starts, and which model they belong to.
//
// One file for each model, precision and provider in $XDG_CACHE_HOME/tessera/packed: a model that
// is replaced replaces its file. What a model's weights are is told by their files' paths, sizes,
// inodes, modification and change times, not by a hash of their content: reading it all would cost
// what packing costs, and no program can replace a file without changing one of these. Weights
// younger than two seconds are not cached, since a change within one tick of the file system's
// clock would not show. TESSERA_NO_CACHE set to anything but "" or "0" turns all of this off.
//
// Functions are thread-safe, also across processes.
#ifndef TESSERA_RUNTIME_PACKED_WEIGHTS_H_
#define TESSERA_RUNTIME_PACKED_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "providers/compile_cache.h"

namespace tessera {

// CacheFolder()/packed of base/file.h; it need not exist.
Result<std::string> PackedWeightsFolder();
bool PackedWeightsEnabled();

// The key for the weights in `files`, opened from their paths. `variant` tells apart what is made
// of them: provider and precision. Nothing when they must not be cached (turned off, too young, no
// folder). `now_ns`: the time since 1970 by which they are young; tests give their own.
std::optional<CompileCacheKey> PackedWeightsKey(
    std::span<const std::shared_ptr<const MappedFile>> files, std::string_view variant,
    int64_t now_ns = NowNs());

// CompileCache::Commit, and after a write the policy: files of models that are gone, remains of
// writers that died and, above kMaxPackedBytes, the oldest files are removed. Failures go to the
// debug log.
inline constexpr uint64_t kMaxPackedBytes = uint64_t{16} << 30;
void CommitPackedWeights(CompileCache& cache);
void TrimPackedWeights(const std::string& folder, uint64_t max_bytes);

struct PackedWeightsInfo {
  std::string path;
  std::string source;  // the model's; "" when the file is damaged or of another version
  uint64_t bytes = 0;
  int64_t written_ns = 0;
};
// All of a folder, the newest first; none when there is no folder.
Result<std::vector<PackedWeightsInfo>> ListPackedWeights(const std::string& folder);
// Removes them; the number of bytes that they had. Processes that use one keep it until they end.
Result<uint64_t> ClearPackedWeights(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_PACKED_WEIGHTS_H_
