#include "formats/ggml_blocks.h"

#include <cstring>

#include "base/check.h"

namespace tessera {
namespace {

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// One block with 4 or 5 bits an element; `with_min`: f16 offset after the factor, else the codes
// are centred on zero.
void DequantizeNibbles(const uint8_t* block, bool fifth_bit, bool with_min, float* out) {
  const float d = ToF32(Load<F16>(block));
  block += sizeof(F16);
  float min = 0;
  if (with_min) {
    min = ToF32(Load<F16>(block));
    block += sizeof(F16);
  }
  uint32_t high = 0;
  if (fifth_bit) {
    high = Load<uint32_t>(block);
    block += sizeof(uint32_t);
  }
  const int offset = with_min ? 0 : (fifth_bit ? 16 : 8);
  constexpr int kHalf = kGgmlBlockSize / 2;
  for (int i = 0; i < kHalf; ++i) {
    const int low_code = (block[i] & 0xF) | static_cast<int>((high >> i & 1) << 4);
    const int high_code = (block[i] >> 4) | static_cast<int>((high >> (i + kHalf) & 1) << 4);
    out[i] = static_cast<float>(low_code - offset) * d + min;
    out[i + kHalf] = static_cast<float>(high_code - offset) * d + min;
  }
}

void DequantizeQ8(const uint8_t* block, float* out) {
  const float d = ToF32(Load<F16>(block));
  for (int i = 0; i < kGgmlBlockSize; ++i) {
    out[i] = static_cast<float>(static_cast<int8_t>(block[sizeof(F16) + i])) * d;
  }
}

}  // namespace

size_t BlockBytes(WeightEncoding encoding) {
  switch (encoding) {
    case WeightEncoding::kQ4_0:
      return 2 + 16;
    case WeightEncoding::kQ4_1:
      return 2 + 2 + 16;
    case WeightEncoding::kQ5_0:
      return 2 + 4 + 16;
    case WeightEncoding::kQ5_1:
      return 2 + 2 + 4 + 16;
    case WeightEncoding::kQ8_0:
      return 2 + 32;
    case WeightEncoding::kPlain:
    case WeightEncoding::kInt8Row:
      return 0;
  }
  return 0;
}

void DequantizeBlocks(WeightEncoding encoding, const uint8_t* blocks, std::span<float> values) {
  const size_t block_bytes = BlockBytes(encoding);
  TESSERA_CHECK(block_bytes != 0 && values.size() % kGgmlBlockSize == 0);
  const bool fifth_bit = encoding == WeightEncoding::kQ5_0 || encoding == WeightEncoding::kQ5_1;
  const bool with_min = encoding == WeightEncoding::kQ4_1 || encoding == WeightEncoding::kQ5_1;
  for (size_t i = 0; i < values.size(); i += kGgmlBlockSize, blocks += block_bytes) {
    if (encoding == WeightEncoding::kQ8_0) {
      DequantizeQ8(blocks, values.data() + i);
    } else {
      DequantizeNibbles(blocks, fifth_bit, with_min, values.data() + i);
    }
  }
}

}  // namespace tessera
