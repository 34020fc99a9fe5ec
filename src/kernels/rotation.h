// The rotation under which 8-bit Linears see their input: x W^T = gain * R(F x) R(W / F)^T.
//
// A row of activations often has a few columns far larger than the rest, and one scale for the row
// then leaves the rest few of the 255 levels. R spreads every column over all of a block, so that
// the levels of a row (and of a row of W) are used alike. On MiniLM it takes 1 - cosine of the
// vectors from 9e-3 to 5e-4 for 8-bit values; the idea is QuaRot's (Ashkboos et al., 2024,
// arXiv 2404.00456), here without touching the model.
//
// k = m * block with `block` the largest power of two that divides k. F is a factor for each
// column, by default a fixed pattern of signs, without which a constant part of x would end in one
// column. R multiplies each block by the Hadamard matrix of its size (entries +-1, natural order)
// and, where m is 3, the three blocks by I - 2/3 (Householder). It is orthogonal but for its gain
// 1 / block. Blocks below 16 are not worth it and k above kMaxRotatedColumns is not done: R is then
// the identity, and F is not applied.
//
// Products and additions in an order that the mathematics fixes: the same bits on every Isa. Error
// of an element: (log2(block) + 4) * 2^-24 * sum of |F x| over its blocks.
#ifndef TESSERA_KERNELS_ROTATION_H_
#define TESSERA_KERNELS_ROTATION_H_

#include <cstdint>

namespace tessera::kernels {

inline constexpr int64_t kMaxRotatedColumns = 16384;

struct Rotation {
  int64_t block = 1;         // 1: the identity
  bool mixes_three = false;  // of three blocks
  float gain() const { return 1.0f / static_cast<float>(block); }
};
constexpr Rotation RotationOf(int64_t k) {
  const int64_t block = k & -k;
  if (block < 16 || k > kMaxRotatedColumns) return {};
  return {block, k == 3 * block};
}

// y[k] = R(F x) with factors[k]; null: RotationSigns(). y may be x; no other overlap.
void RotateRow(const float* x, const float* factors, int64_t k, float* y);

// [kMaxRotatedColumns]: 1 or -1.
const float* RotationSigns();

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_ROTATION_H_
