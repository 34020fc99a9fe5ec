// LinearRows for every vector instruction set: cache blocking around the register tile of
// linear_tile-inl.h, and the epilogue.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>

#include "kernels/dispatch.h"
#include "kernels/linear.h"
#if TESSERA_SIMD_TARGET
#include "kernels/linear_tile-inl.h"
#include "kernels/math-inl.h"
#endif

#if TESSERA_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

// Rows that share one pass over a slice of a panel; their activations, up to 192 x 256 words, stay
// in the L2 cache.
constexpr int64_t kRowBlock = 192;
// Steps of k in one slice: 64 columns x 256 words = 64 KB. Measured on Zen 4: 128 is 1 % slower, 64
// is 4 %.
constexpr int64_t kStepBlock = 256;

// A finished tile on its way out. Pointers are at its first row and column.
struct TileOutput {
  const float* bias;
  const float* scale;         // int8 only
  const int32_t* correction;  // int8 only
  const float* row_scale;     // int8 only
  const float* residual;      // or null
  int64_t residual_ld;
  void* out;
  int64_t out_ld;
  bool out_bf16;
  int64_t rows, columns;  // columns: 1 .. 64
};

// Columns outside, rows inside: bias and scales are loaded once.
template <class Ops, bool kGelu, bool kResidual>
HWY_NOINLINE void StoreTile(const TileOutput& t, const int32_t* sums) {
  constexpr bool kInt8 = std::is_same_v<Ops, Int8Ops>;
  const DF d;
  for (int64_t i = 0; i < t.columns; i += static_cast<int64_t>(kLanes)) {
    const size_t left = static_cast<size_t>(t.columns - i);
    const VF bias = hn::LoadU(d, t.bias + i);
    VF scale = bias;
    VI correction = hn::Zero(DI());
    if constexpr (kInt8) {
      scale = hn::LoadU(d, t.scale + i);
      if constexpr (Int8Ops::kZeroPointInSums) correction = hn::LoadU(DI(), t.correction + i);
    }
    for (int64_t r = 0; r < t.rows; ++r) {
      VF v;
      if constexpr (kInt8) {
        const VI sum = hn::Sub(hn::LoadU(DI(), sums + r * kPanelWidth + i), correction);
        v = hn::MulAdd(hn::ConvertTo(d, sum), hn::Mul(scale, hn::Set(d, t.row_scale[r])), bias);
      } else {
        v = hn::Add(hn::LoadU(d, reinterpret_cast<const float*>(sums) + r * kPanelWidth + i), bias);
      }
      if constexpr (kGelu) v = GeluVector(d, v);
      if constexpr (kResidual) v = hn::Add(v, LoadUpTo(t.residual + r * t.residual_ld + i, left));
      if (t.out_bf16) {
        StoreBf16(v, static_cast<BF16*>(t.out) + r * t.out_ld + i, left);
      } else {
        StoreUpTo(v, d, static_cast<float*>(t.out) + r * t.out_ld + i, left);
      }
    }
  }
}

// Asks for the output lines of a tile while it is computed; their misses would otherwise stall its
// stores.
HWY_INLINE void PrefetchTile(const LinearOutput& out, int64_t row, int64_t rows, int64_t column,
                             int64_t out_size) {
  for (int64_t r = row; r < row + rows; ++r) {
    const auto* line = static_cast<const uint8_t*>(out.data) + (r * out.ld + column) * out_size;
    for (int64_t b = 0; b < kPanelWidth * out_size; b += 64) __builtin_prefetch(line + b, 1);
  }
}

template <class Ops>
void LinearRowsT(const PackedLinear& w, const LinearInput& in, int64_t rows, int64_t n_begin,
                 int64_t n_end, const LinearEpilogue& ep, const LinearOutput& out) {
  constexpr int64_t kTileRows = TileShape<Ops>::kRows;
  constexpr bool kInt8 = std::is_same_v<Ops, Int8Ops>;
  const int64_t a_stride = in.ld * static_cast<int64_t>(DTypeSize(ActivationDType(w.precision)));
  const int64_t out_size = static_cast<int64_t>(DTypeSize(out.dtype));
  const int64_t steps = w.PanelBytes() / kStepBytes;
  const auto* activations = static_cast<const uint8_t*>(in.data);
  const auto* panels = static_cast<const uint8_t*>(w.panels);
  const auto store_tile =
      ep.activation == Activation::kGelu
          ? (ep.residual ? StoreTile<Ops, true, true> : StoreTile<Ops, true, false>)
          : (ep.residual ? StoreTile<Ops, false, true> : StoreTile<Ops, false, false>);
  alignas(64) int32_t sums[kRowBlock * kPanelWidth];

  for (int64_t row0 = 0; row0 < rows; row0 += kRowBlock) {
    const int64_t block_rows = std::min(kRowBlock, rows - row0);
    // One tile reads a slice once: cutting k would only cost.
    const int64_t step_block = block_rows <= kTileRows ? steps : kStepBlock;
    for (int64_t column = n_begin; column < n_end; column += kPanelWidth) {
      const uint8_t* panel = panels + column / kPanelWidth * w.PanelBytes();
      for (int64_t step = 0; step < steps; step += step_block) {
        const int64_t count = std::min(step_block, steps - step);
        for (int64_t r = 0; r < block_rows; r += kTileRows) {
          const int64_t tile_rows = std::min(kTileRows, block_rows - r);
          int32_t* tile_sums = sums + r * kPanelWidth;
          if (step + count == steps) PrefetchTile(out, row0 + r, tile_rows, column, out_size);
          RunTileRows<Ops>(tile_rows, activations + (row0 + r) * a_stride + step * 4, a_stride,
                           panel + step * kStepBytes, count, step > 0, tile_sums, kPanelWidth);
          if (step + count < steps) continue;
          const int64_t row = row0 + r;
          TileOutput t;
          t.bias = w.bias + column;
          t.scale = kInt8 ? w.scale + column : nullptr;
          t.correction = kInt8 ? w.correction + column : nullptr;
          t.row_scale = kInt8 ? in.row_scale + row : nullptr;
          t.residual = ep.residual ? ep.residual + row * ep.residual_ld + column : nullptr;
          t.residual_ld = ep.residual_ld;
          t.out = static_cast<uint8_t*>(out.data) + (row * out.ld + column) * out_size;
          t.out_ld = out.ld;
          t.out_bf16 = out.dtype == DType::kBF16;
          t.rows = tile_rows;
          t.columns = std::min(kPanelWidth, n_end - column);
          store_tile(t, tile_sums);
        }
      }
    }
  }
}

void LinearRowsSimd(const PackedLinear& w, const LinearInput& in, int64_t rows, int64_t n_begin,
                    int64_t n_end, const LinearEpilogue& ep, const LinearOutput& out) {
  switch (w.precision) {
    case Precision::kF32:
      return LinearRowsT<F32Ops>(w, in, rows, n_begin, n_end, ep, out);
    case Precision::kBf16:
      return LinearRowsT<Bf16Ops>(w, in, rows, n_begin, n_end, ep, out);
    case Precision::kInt8:
      return LinearRowsT<Int8Ops>(w, in, rows, n_begin, n_end, ep, out);
  }
}

void FillLinear(KernelTable& table) { table.linear_rows = LinearRowsSimd; }

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {
bool FillLinearSimd(Isa isa, KernelTable& table) { TESSERA_FILL(isa, FillLinear, table); }
}  // namespace tessera::kernels
#endif  // HWY_ONCE
