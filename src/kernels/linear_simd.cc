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

// Rows that share one pass over a panel slice: their activations (up to 192 x 512 x 4 bytes) stay
// in the L2 cache.
constexpr int64_t kRowBlock = 192;
// Steps of k in one slice: 64 columns x 128 steps x 4 bytes = 32 KB.
constexpr int64_t kStepBlock = 128;

struct EpilogueRow {
  const float* bias;          // 64 columns of the panel
  const float* scale;         // int8 only
  const int32_t* correction;  // int8 only
  float row_scale;            // int8 only
  Activation activation;
  const float* residual;  // first column of the panel, or null
  void* out;
  DType out_dtype;
  int64_t columns;  // 1 .. 64 valid ones
};

template <class Ops>
HWY_INLINE VF ToFloatSum(const EpilogueRow& e, const int32_t* sums, size_t i) {
  const VF bias = hn::LoadU(DF(), e.bias + i);
  if constexpr (std::is_same_v<Ops, Int8Ops>) {
    VI sum = hn::LoadU(DI(), sums + i);
    if constexpr (Int8Ops::kZeroPointInSums) sum = hn::Sub(sum, hn::LoadU(DI(), e.correction + i));
    const VF scale = hn::Mul(hn::LoadU(DF(), e.scale + i), hn::Set(DF(), e.row_scale));
    return hn::MulAdd(hn::ConvertTo(DF(), sum), scale, bias);
  } else {
    return hn::Add(hn::LoadU(DF(), reinterpret_cast<const float*>(sums) + i), bias);
  }
}

template <class Ops>
HWY_NOINLINE void Epilogue(const EpilogueRow& e, const int32_t* sums) {
  const DF d;
  for (size_t i = 0; i < static_cast<size_t>(e.columns); i += kLanes) {
    VF v = ToFloatSum<Ops>(e, sums, i);
    if (e.activation == Activation::kGelu) v = GeluVector(d, v);
    const size_t left = static_cast<size_t>(e.columns) - i;
    if (e.residual != nullptr) v = hn::Add(v, LoadUpTo(e.residual + i, left));
    if (e.out_dtype == DType::kBF16) {
      StoreBf16(v, static_cast<BF16*>(e.out) + i, left);
    } else {
      StoreUpTo(v, d, static_cast<float*>(e.out) + i, left);
    }
  }
}

template <class Ops>
void LinearRowsT(const PackedLinear& w, const LinearInput& in, int64_t rows, int64_t n_begin,
                 int64_t n_end, const LinearEpilogue& ep, const LinearOutput& out) {
  constexpr int64_t kTileRows = TileShape<Ops>::kRows;
  const int64_t a_stride = in.ld * static_cast<int64_t>(DTypeSize(ActivationDType(w.precision)));
  const int64_t out_size = static_cast<int64_t>(DTypeSize(out.dtype));
  const int64_t steps = w.PanelBytes() / kStepBytes;
  const auto* activations = static_cast<const uint8_t*>(in.data);
  const auto* panels = static_cast<const uint8_t*>(w.panels);
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
          RunTileRows<Ops>(tile_rows, activations + (row0 + r) * a_stride + step * 4, a_stride,
                           panel + step * kStepBytes, count, step > 0, tile_sums, kPanelWidth);
          if (step + count < steps) continue;
          for (int64_t i = 0; i < tile_rows; ++i) {
            const int64_t row = row0 + r + i;
            EpilogueRow e;
            e.bias = w.bias + column;
            e.scale = std::is_same_v<Ops, Int8Ops> ? w.scale + column : nullptr;
            e.correction = std::is_same_v<Ops, Int8Ops> ? w.correction + column : nullptr;
            e.row_scale = std::is_same_v<Ops, Int8Ops> ? in.row_scale[row] : 1.0f;
            e.activation = ep.activation;
            e.residual = ep.residual ? ep.residual + row * ep.residual_ld + column : nullptr;
            e.out = static_cast<uint8_t*>(out.data) + (row * out.ld + column) * out_size;
            e.out_dtype = out.dtype;
            e.columns = std::min(kPanelWidth, n_end - column);
            Epilogue<Ops>(e, tile_sums + i * kPanelWidth);
          }
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
