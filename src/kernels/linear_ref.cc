// LinearRows in plain C++: one output element at a time, straight from the packed panels.
#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/linear.h"

namespace tessera::kernels {
namespace {

float RefGelu(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f)); }

// The product of one row of activations and one packed column, bias included.
float Element(const PackedLinear& w, const LinearInput& in, int64_t row, int64_t column) {
  const auto* panel =
      static_cast<const uint8_t*>(w.panels) + column / kPanelColumns * w.PanelBytes();
  const int64_t lane = column % kPanelColumns;
  switch (w.precision) {
    case Precision::kF32: {
      const auto* a = static_cast<const float*>(in.data) + row * in.ld;
      const auto* p = reinterpret_cast<const float*>(panel) + lane;
      float sum = 0.0f;
      for (int64_t i = 0; i < w.k; ++i) sum += a[i] * p[i * kPanelColumns];
      return sum + w.bias[column];
    }
    case Precision::kBf16: {
      const auto* a = static_cast<const BF16*>(in.data) + row * in.ld;
      const auto* p = reinterpret_cast<const BF16*>(panel) + lane * 2;
      float sum = 0.0f;
      for (int64_t i = 0; i < w.k; ++i) {
        sum += ToF32(a[i]) * ToF32(p[i / 2 * kPanelColumns * 2 + i % 2]);
      }
      return sum + w.bias[column];
    }
    case Precision::kInt8: {
      const auto* a = static_cast<const uint8_t*>(in.data) + row * in.ld;
      const auto* p = reinterpret_cast<const int8_t*>(panel) + lane * 4;
      int32_t sum = 0;
      for (int64_t i = 0; i < w.k; ++i) {
        sum += (static_cast<int32_t>(a[i]) - 128) * p[i / 4 * kPanelColumns * 4 + i % 4];
      }
      return std::fma(static_cast<float>(sum), w.scale[column] * in.row_scale[row], w.bias[column]);
    }
  }
  return 0.0f;
}

void LinearRowsRef(const PackedLinear& w, const LinearInput& in, int64_t rows, int64_t n_begin,
                   int64_t n_end, const LinearEpilogue& epilogue, const LinearOutput& out) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = n_begin; column < n_end; ++column) {
      float value = Element(w, in, row, column);
      if (epilogue.activation == Activation::kGelu) value = RefGelu(value);
      if (epilogue.residual) value += epilogue.residual[row * epilogue.residual_ld + column];
      if (out.dtype == DType::kBF16) {
        static_cast<BF16*>(out.data)[row * out.ld + column] = ToBF16(value);
      } else {
        static_cast<float*>(out.data)[row * out.ld + column] = value;
      }
    }
  }
}

}  // namespace

void FillLinearRef(KernelTable& table) { table.linear_rows = LinearRowsRef; }

}  // namespace tessera::kernels
