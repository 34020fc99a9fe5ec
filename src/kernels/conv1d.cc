#include "kernels/conv1d.h"

#include <algorithm>
#include <cstring>

namespace tessera::kernels {

void Im2ColRows(const Im2ColArgs& a, int64_t first, int64_t rows, float* out, int64_t out_ld) {
  const size_t frame_bytes = static_cast<size_t>(a.channels) * sizeof(float);
  const bool contiguous = a.input_ld == a.channels;
  for (int64_t r = 0; r < rows; ++r, out += out_ld) {
    const int64_t begin = (first + r) * a.stride - a.padding;
    // The frames of the window that lie inside; the others are zero.
    const int64_t inside = std::clamp<int64_t>(-begin, 0, a.kernel);
    const int64_t outside = std::clamp<int64_t>(a.length - begin, inside, a.kernel);
    std::fill(out, out + inside * a.channels, 0.0f);
    if (contiguous) {
      std::memcpy(out + inside * a.channels, a.input + (begin + inside) * a.channels,
                  static_cast<size_t>(outside - inside) * frame_bytes);
    } else {
      for (int64_t j = inside; j < outside; ++j) {
        std::memcpy(out + j * a.channels, a.input + (begin + j) * a.input_ld, frame_bytes);
      }
    }
    std::fill(out + outside * a.channels, out + a.kernel * a.channels, 0.0f);
  }
}

}  // namespace tessera::kernels
