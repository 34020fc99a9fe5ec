// A provider of ONNX Runtime, found, opened and with its options set: what compiling starts from.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_SETUP_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_SETUP_H_

#include <memory>

#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/libraries.h"
#include "providers/onnxruntime/profiles.h"

namespace tessera {

struct OrtSetup {
  std::shared_ptr<const OrtEngine> engine;
  OrtSessionSpec spec;
  BackendInfo info;
};

// Errors as OpenOnnxRuntimeBackend.
Result<OrtSetup> OpenOrtSetup(const OrtProfile& profile, const OnnxRuntimeOptions& options);

// Replaces the option of that name, or adds it.
void SetOrtOption(OrtOptions& options, const std::string& key, const std::string& value);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_SETUP_H_
