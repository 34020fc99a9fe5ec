#include "kernels/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int64_t kMaxElements = int64_t{1} << 36;

// `count` values from element `first` of a float array of any type and alignment.
void ReadFloats(const View& view, int64_t first, int64_t count, float* out) {
  switch (view.dtype) {
    case DType::kF32:
      std::memcpy(out, static_cast<const char*>(view.data) + first * 4, count * sizeof(float));
      break;
    case DType::kF16:
      for (int64_t i = 0; i < count; ++i) out[i] = LoadFloat(view.data, DType::kF16, first + i);
      break;
    default:
      for (int64_t i = 0; i < count; ++i) out[i] = LoadFloat(view.data, DType::kBF16, first + i);
      break;
  }
}

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

Status CheckSource(const LinearSource& source, int64_t k) {
  const View& weight = source.weight;
  if (weight.data == nullptr || weight.shape.size() != 2 || !IsFloat(weight.dtype)) {
    return InvalidArgument("expected a float weight of shape [n, k], found " +
                           std::string(DTypeName(weight.dtype)) + " " +
                           ShapeToString(weight.shape));
  }
  for (int64_t size : weight.shape) {
    if (size < 1 || size > kMaxDimension) {
      return InvalidArgument("weight sizes must be in [1, 2^24], found " +
                             ShapeToString(weight.shape));
    }
  }
  if (weight.shape[1] != k) {
    return InvalidArgument("stacked weights must share k: expected " + std::to_string(k) +
                           ", found " + ShapeToString(weight.shape));
  }
  if (source.bias.data != nullptr &&
      (!IsFloat(source.bias.dtype) || source.bias.shape != Shape{weight.shape[0]})) {
    return InvalidArgument("expected a float bias of shape [" + std::to_string(weight.shape[0]) +
                           "], found " + std::string(DTypeName(source.bias.dtype)) + " " +
                           ShapeToString(source.bias.shape));
  }
  return OkStatus();
}

// Writes row `column` of the weight matrix into its place in the panels.
class PanelWriter {
 public:
  PanelWriter(PackedLinear& packed, uint8_t* panels, float* scale, int32_t* correction)
      : packed_(packed), panels_(panels), scale_(scale), correction_(correction) {}

  void Write(int64_t column, const float* row) {
    uint8_t* panel = panels_ + column / kPanelColumns * packed_.PanelBytes();
    const int64_t lane = column % kPanelColumns;
    switch (packed_.precision) {
      case Precision::kF32:
        for (int64_t i = 0; i < packed_.k; ++i) {
          reinterpret_cast<float*>(panel)[i * kPanelColumns + lane] = row[i];
        }
        break;
      case Precision::kBf16:
        for (int64_t i = 0; i < packed_.k; ++i) {
          reinterpret_cast<BF16*>(panel)[(i / 2 * kPanelColumns + lane) * 2 + i % 2] =
              ToBF16(row[i]);
        }
        break;
      case Precision::kInt8:
        WriteInt8(column, reinterpret_cast<int8_t*>(panel), lane, row);
        break;
    }
  }

 private:
  void WriteInt8(int64_t column, int8_t* panel, int64_t lane, const float* row) {
    float max = 0.0f;
    for (int64_t i = 0; i < packed_.k; ++i) max = std::max(max, std::fabs(row[i]));
    const float scale = max / 127.0f;
    const float inverse = scale > 0x1p-120f ? 127.0f / max : 0.0f;
    int32_t sum = 0;
    for (int64_t i = 0; i < packed_.k; ++i) {
      const float q = std::nearbyint(row[i] * inverse);
      const auto value = static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
      panel[(i / 4 * kPanelColumns + lane) * 4 + i % 4] = value;
      sum += value;
    }
    scale_[column] = inverse > 0.0f ? scale : 0.0f;
    correction_[column] = 128 * sum;
  }

  PackedLinear& packed_;
  uint8_t* panels_;
  float* scale_;
  int32_t* correction_;
};

}  // namespace

std::string_view PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return "f32";
    case Precision::kBf16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "?";
}

Result<PackedLinear> PackLinear(std::span<const LinearSource> sources, Precision precision) {
  if (sources.empty()) return InvalidArgument("expected at least one weight matrix to pack");
  PackedLinear packed;
  packed.precision = precision;
  packed.k = sources[0].weight.shape.size() == 2 ? sources[0].weight.shape[1] : 0;
  for (const LinearSource& source : sources) {
    TESSERA_RETURN_IF_ERROR(CheckSource(source, packed.k));
    packed.n += source.weight.shape[0];
  }
  packed.n_padded = (packed.n + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
  packed.k_padded = PaddedK(precision, packed.k);
  // 128 * 127 * k must fit an int32 for the exact integer sums.
  if (precision == Precision::kInt8 && packed.k > (int64_t{1} << 16)) {
    return InvalidArgument("int8 needs k <= 65536, found " + std::to_string(packed.k));
  }
  if (packed.n > kMaxDimension || packed.n_padded * packed.k_padded > kMaxElements) {
    return ResourceExhausted("weight of " + std::to_string(packed.n) + " x " +
                             std::to_string(packed.k) + " is too large to pack");
  }

  const size_t panel_bytes = static_cast<size_t>(packed.n_padded / kPanelColumns) *
                             static_cast<size_t>(packed.PanelBytes());
  const size_t column_bytes = static_cast<size_t>(packed.n_padded) * 4;
  const bool int8 = precision == Precision::kInt8;
  const size_t total = panel_bytes + column_bytes * (int8 ? 3 : 1);
  packed.storage = AlignedBuffer(total);
  auto* base = static_cast<uint8_t*>(packed.storage.data());
  std::memset(base, 0, total);
  auto* bias = reinterpret_cast<float*>(base + panel_bytes);
  auto* scale = int8 ? bias + packed.n_padded : nullptr;
  auto* correction = int8 ? reinterpret_cast<int32_t*>(scale + packed.n_padded) : nullptr;
  packed.panels = base;
  packed.bias = bias;
  packed.scale = scale;
  packed.correction = correction;

  PanelWriter writer(packed, base, scale, correction);
  std::vector<float> row(static_cast<size_t>(packed.k));
  int64_t column = 0;
  for (const LinearSource& source : sources) {
    const int64_t n = source.weight.shape[0];
    if (source.bias.data != nullptr) ReadFloats(source.bias, 0, n, bias + column);
    for (int64_t i = 0; i < n; ++i) {
      ReadFloats(source.weight, i * packed.k, packed.k, row.data());
      writer.Write(column + i, row.data());
    }
    column += n;
  }
  return packed;
}

Result<PackedLinear> PackLinear(const LinearSource& source, Precision precision) {
  return PackLinear(std::span<const LinearSource>(&source, 1), precision);
}

void LinearRows(const PackedLinear& weights, const LinearInput& input, int64_t rows,
                int64_t n_begin, int64_t n_end, const LinearEpilogue& epilogue,
                const LinearOutput& output) {
  TESSERA_DCHECK(n_begin % kPanelColumns == 0 && n_begin >= 0 && n_end <= weights.n);
  TESSERA_DCHECK(n_end % kPanelColumns == 0 || n_end == weights.n);
  TESSERA_DCHECK(output.dtype == DType::kF32 || output.dtype == DType::kBF16);
  TESSERA_DCHECK(weights.precision != Precision::kInt8 || input.row_scale != nullptr);
  if (rows <= 0 || n_begin >= n_end) return;
  Kernels().linear_rows(weights, input, rows, n_begin, n_end, epilogue, output);
}

}  // namespace tessera::kernels
