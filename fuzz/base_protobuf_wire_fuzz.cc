// The protobuf reader on any bytes, two levels deep: no read outside the data, and each field lies
// inside it.
#include <cstdlib>

#include "base/protobuf_wire.h"

namespace {

void Walk(std::string_view data, int depth) {
  tessera::WireReader reader(data);
  while (true) {
    auto field = reader.Next();
    if (!field.ok() || !*field) return;
    const std::string_view bytes = (*field)->bytes;
    if (bytes.size() > data.size() || reader.position() > data.size()) std::abort();
    if (depth > 0 && !bytes.empty()) Walk(bytes, depth - 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Walk({reinterpret_cast<const char*>(data), size}, 2);
  return 0;
}
