// Element types, and the scalar conversions of the two 16-bit float formats.
#ifndef TESSERA_TENSOR_DTYPE_H_
#define TESSERA_TENSOR_DTYPE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tessera {

enum class DType : uint8_t { kF32, kF16, kBF16, kI8, kU8, kI32, kI64, kBool };

// Bytes of one element.
constexpr size_t DTypeSize(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kI64:
      return 8;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

// "f32", "bf16", "i8", ...
std::string_view DTypeName(DType type);

// Upper 16 bits of an f32; 8 exponent and 7 mantissa bits.
struct BF16 {
  uint16_t bits;
};
// IEEE binary16.
struct F16 {
  uint16_t bits;
};

inline float ToF32(BF16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }
// Rounds to nearest, ties to even; NaN stays NaN.
inline BF16 ToBF16(float x) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<uint16_t>((u >> 16) | 0x40u)};
  return {static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16)};
}
float ToF32(F16 x);
// Rounds to nearest, ties to even; overflow gives infinity.
F16 ToF16(float x);

// Element `index` of a float array (kF32, kF16, kBF16) that need not be aligned: weights in a
// mapped file often are not.
inline float LoadFloat(const void* data, DType type, int64_t index) {
  const char* element =
      static_cast<const char*>(data) + index * static_cast<int64_t>(DTypeSize(type));
  if (type == DType::kF32) {
    float x;
    std::memcpy(&x, element, sizeof(x));
    return x;
  }
  uint16_t bits;
  std::memcpy(&bits, element, sizeof(bits));
  return type == DType::kF16 ? ToF32(F16{bits}) : ToF32(BF16{bits});
}

// The DType of a C++ element type.
template <typename T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<F16> = DType::kF16;
template <>
inline constexpr DType kDTypeOf<BF16> = DType::kBF16;
template <>
inline constexpr DType kDTypeOf<int8_t> = DType::kI8;
template <>
inline constexpr DType kDTypeOf<uint8_t> = DType::kU8;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <>
inline constexpr DType kDTypeOf<int64_t> = DType::kI64;
template <>
inline constexpr DType kDTypeOf<bool> = DType::kBool;

}  // namespace tessera

#endif  // TESSERA_TENSOR_DTYPE_H_
