#include "kernels/linear.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/rotation.h"
#include "kernels/widen.h"

namespace tessera::kernels {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int64_t kMaxElements = int64_t{1} << 36;

// Of non-negative floats the bits compare as the values do. A NaN is larger than all.
float MaxMagnitude(const float* row, int64_t count) {
  uint32_t max = 0;
  for (int64_t i = 0; i < count; ++i)
    max = std::max(max, std::bit_cast<uint32_t>(row[i]) & 0x7FFFFFFF);
  return std::bit_cast<float>(max);
}

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

// k of a weight [n, k] or [n, channels, kernel]; the sizes are at most 2^24 each.
int64_t ColumnsOf(const View& weight) { return NumElements(std::span(weight.shape).subspan(1)); }

Status CheckSource(const LinearSource& source) {
  const View& weight = source.weight;
  const size_t rank = weight.shape.size();
  if (weight.data == nullptr || rank < 2 || rank > 3 || !IsFloat(weight.dtype)) {
    return InvalidArgument(
        "expected a float weight of shape [n, k] or [n, channels, kernel], found " +
        std::string(DTypeName(weight.dtype)) + " " + ShapeToString(weight.shape));
  }
  for (int64_t size : weight.shape) {
    if (size < 1 || size > kMaxDimension) {
      return InvalidArgument("weight sizes must be in [1, 2^24], found " +
                             ShapeToString(weight.shape));
    }
  }
  if (source.bias.data != nullptr &&
      (!IsFloat(source.bias.dtype) || source.bias.shape != Shape{weight.shape[0]})) {
    return InvalidArgument("expected a float bias of shape [" + std::to_string(weight.shape[0]) +
                           "], found " + std::string(DTypeName(source.bias.dtype)) + " " +
                           ShapeToString(source.bias.shape));
  }
  return OkStatus();
}

// Row `row` of the matrix that a weight stands for. `kernel_last` is room for a row.
void ReadRow(const View& weight, int64_t row, int64_t k, std::vector<float>& kernel_last,
             float* out) {
  if (weight.shape.size() == 2) {
    WidenFloats(weight.data, weight.dtype, row * k, k, out);
    return;
  }
  kernel_last.resize(static_cast<size_t>(k));
  WidenFloats(weight.data, weight.dtype, row * k, k, kernel_last.data());
  const int64_t channels = weight.shape[1], kernel = weight.shape[2];
  for (int64_t i = 0; i < channels; ++i) {
    for (int64_t j = 0; j < kernel; ++j) out[j * channels + i] = kernel_last[i * kernel + j];
  }
}

// A layer without data: its sizes alone.
PackedLinear SizesOf(Precision precision, int64_t n, int64_t k) {
  PackedLinear packed;
  packed.precision = precision;
  packed.n = n;
  packed.k = k;
  packed.n_padded = (n + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
  packed.k_padded = PaddedK(precision, k);
  return packed;
}

// Writes row `column` of the weight matrix into its place in the panels.
class PanelWriter {
 public:
  PanelWriter(const PackedLinear& packed, uint8_t* panels, float* scale, int32_t* correction,
              std::span<const float> input_factors)
      : packed_(packed), panels_(panels), scale_(scale), correction_(correction) {
    for (const float factor : input_factors) factors_.push_back(1.0f / factor);
  }

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
  void WriteInt8(int64_t column, int8_t* panel, int64_t lane, const float* source) {
    rotated_.resize(static_cast<size_t>(packed_.k));
    float* const row = rotated_.data();
    RotateRow(source, factors_.empty() ? nullptr : factors_.data(), packed_.k, row);
    const float max = MaxMagnitude(row, packed_.k);
    const float scale = max / 127.0f;
    const float inverse = scale > 0x1p-120f ? 127.0f / max : 0.0f;
    // Adding 1.5 * 2^23 leaves no place for a fraction: rounds to the nearest, ties to even.
    constexpr float kRound = 0x1.8p23f;
    quantized_.assign(static_cast<size_t>(packed_.k_padded), 0);
    int32_t sum = 0;
    for (int64_t i = 0; i < packed_.k; ++i) {
      // In this order a NaN becomes -127.
      const float q = std::min(std::max(-127.0f, row[i] * inverse), 127.0f) + kRound - kRound;
      const auto value = static_cast<int32_t>(q);
      quantized_[i] = static_cast<int8_t>(value);
      sum += value;
    }
    for (int64_t quad = 0; quad < packed_.k_padded / 4; ++quad)
      std::memcpy(panel + (quad * kPanelColumns + lane) * 4, quantized_.data() + quad * 4, 4);
    scale_[column] = inverse > 0.0f ? scale * RotationOf(packed_.k).gain() : 0.0f;
    correction_[column] = 128 * sum;
  }

  const PackedLinear& packed_;
  uint8_t* panels_;
  float* scale_;
  int32_t* correction_;
  std::vector<float> factors_;     // of the weights; empty: the rotation's signs
  std::vector<float> rotated_;     // a row
  std::vector<int8_t> quantized_;  // the same
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

Result<size_t> PackedLinearBytes(Precision precision, int64_t n, int64_t k) {
  if (n < 1 || n > kMaxDimension || k < 1 || k > kMaxDimension) {
    return InvalidArgument("weight sizes must be in [1, 2^24], found [" + std::to_string(n) + ", " +
                           std::to_string(k) + "]");
  }
  // 128 * 127 * k must fit an int32 for the exact integer sums.
  if (precision == Precision::kInt8 && k > (int64_t{1} << 16)) {
    return InvalidArgument("int8 needs k <= 65536, found " + std::to_string(k));
  }
  const PackedLinear sizes = SizesOf(precision, n, k);
  if (sizes.n_padded * sizes.k_padded > kMaxElements) {
    return ResourceExhausted("weight of " + std::to_string(n) + " x " + std::to_string(k) +
                             " is too large to pack");
  }
  const int64_t per_column = precision == Precision::kInt8 ? 12 : 4;
  return static_cast<size_t>(sizes.n_padded / kPanelColumns * sizes.PanelBytes() +
                             sizes.n_padded * per_column);
}

Result<PackedLinear> ViewPackedLinear(Precision precision, int64_t n, int64_t k, Bytes bytes,
                                      std::shared_ptr<const void> owner) {
  TESSERA_ASSIGN_OR_RETURN(const size_t expected, PackedLinearBytes(precision, n, k));
  if (bytes.size() != expected || reinterpret_cast<uintptr_t>(bytes.data()) % 64 != 0) {
    return DataLoss("expected " + std::to_string(expected) +
                    " aligned bytes of packed weights, found " + std::to_string(bytes.size()));
  }
  PackedLinear packed = SizesOf(precision, n, k);
  const uint8_t* columns = bytes.data() + packed.n_padded / kPanelColumns * packed.PanelBytes();
  packed.panels = bytes.data();
  packed.bias = reinterpret_cast<const float*>(columns);
  if (precision == Precision::kInt8) {
    packed.scale = packed.bias + packed.n_padded;
    packed.correction = reinterpret_cast<const int32_t*>(packed.scale + packed.n_padded);
  }
  packed.bytes = bytes;
  packed.owner = std::move(owner);
  return packed;
}

Result<PackedLinear> PackLinear(std::span<const LinearSource> sources, Precision precision,
                                std::span<const float> input_factors) {
  if (sources.empty()) return InvalidArgument("expected at least one weight matrix to pack");
  int64_t n = 0, k = 0;
  for (const LinearSource& source : sources) {
    TESSERA_RETURN_IF_ERROR(CheckSource(source));
    if (k == 0) k = ColumnsOf(source.weight);
    if (ColumnsOf(source.weight) != k) {
      return InvalidArgument("stacked weights must share k: expected " + std::to_string(k) +
                             ", found " + ShapeToString(source.weight.shape));
    }
    n += source.weight.shape[0];
  }
  TESSERA_CHECK(input_factors.empty() || static_cast<int64_t>(input_factors.size()) == k);
  TESSERA_ASSIGN_OR_RETURN(const size_t total, PackedLinearBytes(precision, n, k));
  auto storage = std::make_shared<AlignedBuffer>(total);
  auto* base = static_cast<uint8_t*>(storage->data());
  std::memset(base, 0, total);
  TESSERA_ASSIGN_OR_RETURN(PackedLinear packed,
                           ViewPackedLinear(precision, n, k, {base, total}, std::move(storage)));
  // The same places, writable: nobody else has them yet.
  auto* bias = const_cast<float*>(packed.bias);
  PanelWriter writer(packed, base, const_cast<float*>(packed.scale),
                     const_cast<int32_t*>(packed.correction), input_factors);
  std::vector<float> row(static_cast<size_t>(k)), kernel_last;
  int64_t column = 0;
  for (const LinearSource& source : sources) {
    const int64_t rows = source.weight.shape[0];
    if (source.bias.data != nullptr)
      WidenFloats(source.bias.data, source.bias.dtype, 0, rows, bias + column);
    for (int64_t i = 0; i < rows; ++i) {
      ReadRow(source.weight, i, k, kernel_last, row.data());
      writer.Write(column + i, row.data());
    }
    column += rows;
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
