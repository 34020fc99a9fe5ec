// What the files of the C interface share: errors of the calling thread, structures of other
// versions' sizes.
#ifndef TESSERA_PIPELINES_C_API_COMMON_H_
#define TESSERA_PIPELINES_C_API_COMMON_H_

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "base/check.h"
#include "tessera/c_api.h"
#include "tessera/engine.h"
#include "tessera/status.h"

namespace tessera {

// Keeps the message for tessera_last_error, and gives the code. An ok status clears it.
tessera_status SetLastError(const Status& status) noexcept;
// Where there may be no memory for a message.
tessera_status SetOutOfMemory() noexcept;

// Runs `body`, which returns a Status; exceptions (of the standard library or of callbacks) become
// one.
template <typename Body>
tessera_status Guarded(const Body& body) noexcept {
  try {
    return SetLastError(body());
  } catch (const std::bad_alloc&) {
    return SetOutOfMemory();
  } catch (const std::exception& e) {
    return SetLastError(Status(StatusCode::kInternal, e.what()));
  } catch (...) {
    return SetLastError(Status(StatusCode::kInternal, "unknown exception"));
  }
}

// The caller's structure, which may be shorter or longer than ours, on top of the defaults.
template <typename Options>
Result<Options> ReadOptions(const Options* given, void (*init)(Options*)) {
  Options options;
  init(&options);
  if (given == nullptr) return options;
  if (given->size < sizeof(given->size)) {
    return InvalidArgument("options have no size; set them up with their _init function");
  }
  const size_t size = std::min(given->size, sizeof(Options));
  std::memcpy(&options, given, size);
  options.size = sizeof(Options);
  return options;
}

Result<ModelOptions> ReadModelOptions(const tessera_model_options* given);

// model's placement as JSON, kept in `text`; null when there is no memory for it.
const char* KeepPlacement(const Model& model, std::string* text) noexcept;

}  // namespace tessera

#endif  // TESSERA_PIPELINES_C_API_COMMON_H_
