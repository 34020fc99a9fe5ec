// Any bytes as a ggml file: an error or weights whose every element can be read.
#include <cstddef>
#include <cstdint>

#include "formats/ggml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const auto file = ReadGgmlWhisper({data, size}, nullptr);
  if (!file.ok()) return 0;
  unsigned sum = 0;
  for (const auto& [name, weight] : file->weights.weights()) {
    const auto* bytes = static_cast<const uint8_t*>(weight.view.data);
    for (size_t i = 0; i < weight.view.bytes(); ++i) sum += bytes[i];
    // An alias costs a few bytes of input and may stand for many elements: only small ones are
    // dequantised.
    if (NumElements(weight.shape) <= 4096 && ToF32(weight).ok()) ++sum;
  }
  volatile unsigned used = sum;  // keeps the reads
  (void)used;
  return 0;
}
