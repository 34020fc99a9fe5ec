// Any bytes as the record of a quantization: refused, or the same after writing and reading.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "providers/quantize/quantization.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto read = tessera::ParseQuantization({reinterpret_cast<const char*>(data), size});
  if (!read.ok()) return 0;
  const auto again = tessera::ParseQuantization(tessera::QuantizationToJson(*read));
  if (!again.ok() || again->Key() != read->Key()) std::abort();
  return 0;
}
