// In place of capi/ in builds without ONNX Runtime's headers (tools/fetch_deps.py fetches them).
#include "providers/onnxruntime/engine.h"

namespace tessera {

Result<std::shared_ptr<const OrtEngine>> OpenOrtEngine(const std::string&) {
  return Unimplemented(
      "this build has no ONNX Runtime support: its C headers were not there when it was made "
      "(run tools/fetch_deps.py, then build again)");
}

}  // namespace tessera
