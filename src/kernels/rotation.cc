#include "kernels/rotation.h"

#include <array>

#include "kernels/dispatch.h"

namespace tessera::kernels {

const float* RotationSigns() {
  static const std::array<float, kMaxRotatedColumns> signs = [] {
    std::array<float, kMaxRotatedColumns> made;
    for (uint32_t i = 0; i < made.size(); ++i) {
      // The finalizer of MurmurHash3, whose bits look random for neighbouring i.
      uint32_t h = i + 1;
      h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
      h = (h ^ (h >> 13)) * 0xC2B2AE35u;
      made[i] = ((h ^ (h >> 16)) & 1) != 0 ? -1.0f : 1.0f;
    }
    return made;
  }();
  return signs.data();
}

void RotateRow(const float* x, const float* factors, int64_t k, float* y) {
  Kernels().rotate_row(x, factors != nullptr ? factors : RotationSigns(), k, y);
}

}  // namespace tessera::kernels
