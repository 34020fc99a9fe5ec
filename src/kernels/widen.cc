#include "kernels/widen.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace tessera::kernels {
namespace {

// As LoadFloat does it, but without branches, so that compilers make vectors of it: packing reads
// every weight of a model.
inline float WidenHalf(uint32_t half) {
  const uint32_t magnitude = (half & 0x7FFF) << 13;  // denormal halves become denormal floats
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const uint32_t bits = magnitude >= 0x0F800000 ? magnitude | 0x7F800000 : finite;
  return std::bit_cast<float>(bits | (half & 0x8000) << 16);
}

inline float WidenBf16(uint32_t bits) { return std::bit_cast<float>(bits << 16); }

template <float (*kWiden)(uint32_t)>
void WidenWords(const char* words, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t word;
    std::memcpy(&word, words + i * 2, sizeof(word));
    out[i] = kWiden(word);
  }
}

}  // namespace

void WidenFloats(const void* data, DType dtype, int64_t first, int64_t count, float* out) {
  const char* from =
      static_cast<const char*>(data) + first * static_cast<int64_t>(DTypeSize(dtype));
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, from, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF16:
      return WidenWords<WidenHalf>(from, count, out);
    default:
      TESSERA_CHECK(dtype == DType::kBF16);
      return WidenWords<WidenBf16>(from, count, out);
  }
}

}  // namespace tessera::kernels
