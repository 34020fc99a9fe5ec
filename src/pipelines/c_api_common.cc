#include "pipelines/c_api_common.h"

#include <string>

namespace tessera {
namespace {

static_assert(sizeof(int) == sizeof(int32_t));
static_assert(TESSERA_INTERNAL == static_cast<int>(StatusCode::kInternal));

// Room for a message that must not be lost when memory is.
thread_local std::string last_error;

}  // namespace

tessera_status SetLastError(const Status& status) noexcept {
  try {
    last_error = status.message();
  } catch (...) {
    last_error.clear();
  }
  return static_cast<tessera_status>(status.code());
}

tessera_status SetOutOfMemory() noexcept {
  last_error.clear();
  return TESSERA_RESOURCE_EXHAUSTED;
}

Result<ModelOptions> ReadModelOptions(const tessera_model_options* given) {
  TESSERA_ASSIGN_OR_RETURN(const tessera_model_options c,
                           ReadOptions(given, tessera_model_options_init));
  ModelOptions options;
  if (c.model != nullptr) options.model = c.model;
  if (c.device != nullptr) options.device = c.device;
  options.threads = c.threads;
  options.require_npu = c.require_npu != 0;
  if (c.precision < TESSERA_PRECISION_AUTO || c.precision > TESSERA_PRECISION_INT8) {
    return InvalidArgument("precision " + std::to_string(c.precision) + " is unknown");
  }
  options.precision = static_cast<Precision>(c.precision);
  return options;
}

const char* KeepPlacement(const Model& model, std::string* text) noexcept {
  try {
    *text = model.placement_json();
    return text->c_str();
  } catch (...) {
    SetOutOfMemory();
    return nullptr;
  }
}

}  // namespace tessera

extern "C" {

void tessera_model_options_init(tessera_model_options* options) {
  if (options == nullptr) return;
  *options = tessera_model_options{};
  options->size = sizeof(*options);
}

const char* tessera_last_error(void) { return tessera::last_error.c_str(); }

const char* tessera_status_name(int32_t status) {
  return tessera::StatusCodeName(static_cast<tessera::StatusCode>(status)).data();
}

}  // extern "C"
