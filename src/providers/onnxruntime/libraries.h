// Finding and opening ONNX Runtime and a provider's plugin.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_LIBRARIES_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_LIBRARIES_H_

#include <memory>
#include <string>

#include "providers/onnxruntime/engine.h"
#include "providers/onnxruntime/profiles.h"

namespace tessera {

struct OrtPlugin {
  std::string path;             // "" where the provider is part of ONNX Runtime
  std::string package_version;  // of the Python package; "" elsewhere
  std::string sdk_version;      // of the vendor's libraries beside it, where they tell; ""
};

// The first library that can be opened. Errors: kNotFound with all places that were looked at,
// kUnavailable or kUnimplemented when there is one but it does not do.
Result<std::shared_ptr<const OrtEngine>> FindOrtEngine(const std::string& option);

Result<OrtPlugin> FindOrtPlugin(const OrtProfile& profile, const std::string& option);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_LIBRARIES_H_
