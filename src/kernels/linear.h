// out = activation(a * W^T + bias) + residual, with weights packed once at load.
//
// Weights lie in panels of 64 output columns, k innermost but for the pairs or quads that one
// dot-product instruction eats:
//   f32 [n/64][k][64]     bf16 [n/64][k/2][64][2]     int8 [n/64][k/4][64][4]      (n and k padded
//   with zeros)
// The promise behind "the same bits, whatever the batch": each output element is one accumulator
// that adds its products in the order of k. Its bits depend on its row of a, its column of W and
// the Isa alone, never on the number of rows, on the tile that computed it or on how the caller cut
// rows and columns into calls.
//
// Error against exact arithmetic on the inputs as given (eps = 2^-24, S = sum of |a_i * w_i|,
// before the activation):
//   f32   (k + 2) * eps * (S + |bias|)
//   bf16  the same bound with 2 * eps; products of bf16 values are exact, denormal bf16 inputs
//   count as zero int8  the integer sum is exact, so 3 * eps * (|sum * scales| + |bias|)
// Quantisation is not in these bounds; see quantize.h. The integer sums are the same on every Isa.
#ifndef TESSERA_KERNELS_LINEAR_H_
#define TESSERA_KERNELS_LINEAR_H_

#include <cstdint>
#include <memory>
#include <span>

#include "base/check.h"
#include "base/mapped_file.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace tessera::kernels {

enum class Precision : uint8_t {
  kF32,   // activations f32
  kBf16,  // activations bf16
  kInt8,  // rotated (rotation.h); weights int8 with a scale per output column, activations u8 (zero
          // point 128) with a scale per row
};
// "f32", "bf16", "int8".
std::string_view PrecisionName(Precision precision);

inline constexpr int64_t kPanelColumns = 64;

// Columns of an activation row of `k` values, with the padding that Linear reads: k for f32, a
// multiple of 2 for bf16, of 4 for u8. The padding must hold finite values (the row makers of
// quantize.h and layer_norm.h write 0, or 128 for u8).
constexpr int64_t PaddedK(Precision precision, int64_t k) {
  const int64_t unit = precision == Precision::kF32 ? 1 : precision == Precision::kBf16 ? 2 : 4;
  return (k + unit - 1) / unit * unit;
}
// The type of the activations.
constexpr DType ActivationDType(Precision precision) {
  return precision == Precision::kF32    ? DType::kF32
         : precision == Precision::kBf16 ? DType::kBF16
                                         : DType::kU8;
}

// One weight matrix [n, k] row-major in f32, f16 or bf16, and its bias [n] of any of these types
// (data null: none). A convolution's weight [n, channels, kernel] stands for the matrix of
// conv1d.h: k = kernel * channels, element (o, j * channels + i) = weight[o, i, j].
struct LinearSource {
  View weight;
  View bias;
};

// Movable; the pointers stay valid when moved. Const after packing, so it may be shared between
// threads.
struct PackedLinear {
  Precision precision = Precision::kF32;
  int64_t n = 0, k = 0;                // as given (n summed over the sources)
  int64_t n_padded = 0, k_padded = 0;  // multiples of 64 and of PaddedK's unit
  const void* panels = nullptr;  // 64-byte aligned, [n_padded / 64] panels of PanelBytes() each
  const float* bias = nullptr;   // [n_padded], zeros where there is none
  const float* scale = nullptr;  // [n_padded], kInt8 only: gain * rotated weight = scale * int8
  const int32_t* correction =
      nullptr;  // [n_padded], kInt8 only: 128 * sum over k of the int8 weights
  // Panels, bias, scale and correction follow each other in these bytes, which `owner` keeps alive.
  Bytes bytes;
  std::shared_ptr<const void> owner;

  int64_t PanelBytes() const {
    const int64_t element = precision == Precision::kF32    ? 4
                            : precision == Precision::kBf16 ? 2
                                                            : 1;
    return kPanelColumns * k_padded * element;
  }
};

// What PackLinear makes of given weights: raise it with every change of the bytes, so that files of
// packed weights made before are not used. The form is the same on every Isa.
inline constexpr uint32_t kPackingVersion = 2;

// The size of PackedLinear::bytes; n and k in [1, 2^24], and their product as PackLinear takes it.
Result<size_t> PackedLinearBytes(Precision precision, int64_t n, int64_t k);
// A layer over bytes that a PackLinear of the same sizes made, 64-byte aligned, with 64 readable
// bytes behind them. kDataLoss when their number is not PackedLinearBytes.
Result<PackedLinear> ViewPackedLinear(Precision precision, int64_t n, int64_t k, Bytes bytes,
                                      std::shared_ptr<const void> owner);

// Packs one matrix, or several with the same k stacked along n (a fused query-key-value
// projection). Errors: no source, a shape that is not [n, k] with n and k in [1, 2^24], differing
// k, a bias of another length, a type that is not a float. `input_factors` [k], kInt8 only: those
// with which the activations are rotated (rotation.h); empty: its signs.
Result<PackedLinear> PackLinear(std::span<const LinearSource> sources, Precision precision,
                                std::span<const float> input_factors = {});
Result<PackedLinear> PackLinear(const LinearSource& source, Precision precision);

enum class Activation : uint8_t { kNone, kGelu };

// Row 0 of the activations. ld >= PaddedK(precision, k) elements of ActivationDType(precision). ld
// may be less for f32 and bf16 when rows overlap on purpose (a convolution over a padded
// channels-last signal: ld = stride * channels).
struct LinearInput {
  const void* data = nullptr;
  int64_t ld = 0;
  const float* row_scale = nullptr;  // [rows], kInt8 only
};

struct LinearEpilogue {
  Activation activation = Activation::kNone;  // exact erf GELU of gelu.h, before the residual
  const float* residual =
      nullptr;  // row 0, column 0 of [rows, n] f32, or null; may be the output itself
  int64_t residual_ld = 0;
};

// Row 0, column 0 of [rows, n], f32 or bf16, ld elements between rows. Must not overlap the input.
struct LinearOutput {
  void* data = nullptr;
  int64_t ld = 0;
  DType dtype = DType::kF32;
};

// Computes rows [0, rows) x columns [n_begin, n_end) of the output; n_begin is a multiple of 64,
// n_end a multiple of 64 or n. Blocks for the caches itself: any number of rows is fine, and one
// thread should get a contiguous share of rows (many rows) or of columns (few rows). No allocation;
// up to 64 KB of stack. Unaligned pointers are allowed.
void LinearRows(const PackedLinear& weights, const LinearInput& input, int64_t rows,
                int64_t n_begin, int64_t n_end, const LinearEpilogue& epilogue,
                const LinearOutput& output);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_LINEAR_H_
