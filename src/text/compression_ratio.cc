#include "text/compression_ratio.h"

#include <zlib.h>

#include <vector>

#include "base/check.h"

namespace tessera {

double CompressionRatio(std::string_view text) {
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::vector<Bytef> stream(size);
  const int code = compress2(stream.data(), &size, reinterpret_cast<const Bytef*>(text.data()),
                             static_cast<uLong>(text.size()), Z_DEFAULT_COMPRESSION);
  // The buffer has zlib's own upper bound, so only memory can fail, as it can in any container.
  TESSERA_CHECK(code == Z_OK);
  return static_cast<double>(text.size()) / static_cast<double>(size);
}

}  // namespace tessera
