// The reader of ONNX initialisers on any bytes: every view it gives lies inside them.
#include <cstdlib>

#include "graph/onnx/initializers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = tessera::ParseOnnxInitializers(bytes, nullptr);
  if (!file.ok()) return 0;
  for (const auto& [name, view] : file->tensors) {
    const char* begin = static_cast<const char*>(view.data);
    if (view.bytes() > 0 &&
        (begin < bytes.data() || begin + view.bytes() > bytes.data() + bytes.size())) {
      std::abort();
    }
  }
  return 0;
}
