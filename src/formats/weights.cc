#include "formats/weights.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "formats/ggml_blocks.h"

namespace tessera {

std::string_view WeightEncodingName(WeightEncoding encoding) {
  switch (encoding) {
    case WeightEncoding::kPlain:
      return "plain";
    case WeightEncoding::kInt8Row:
      return "int8_row";
    case WeightEncoding::kQ4_0:
      return "q4_0";
    case WeightEncoding::kQ4_1:
      return "q4_1";
    case WeightEncoding::kQ5_0:
      return "q5_0";
    case WeightEncoding::kQ5_1:
      return "q5_1";
    case WeightEncoding::kQ8_0:
      return "q8_0";
  }
  return "unknown";
}

Result<Tensor> ToF32(const Weight& weight) {
  if (weight.encoding == WeightEncoding::kPlain) return ToF32Tensor(weight.view);
  Tensor out(DType::kF32, weight.shape);
  const std::span<float> values = out.Span<float>();
  if (weight.encoding == WeightEncoding::kInt8Row) {
    const auto* q = weight.view.As<int8_t>();
    const auto* scale = weight.scale.As<float>();
    const auto num_rows = static_cast<size_t>(weight.shape[0]);
    const size_t row_size = values.size() / num_rows;
    for (size_t row = 0; row < num_rows; ++row) {
      for (size_t i = row * row_size; i < (row + 1) * row_size; ++i) {
        values[i] = static_cast<float>(q[i]) * scale[row];
      }
    }
    return out;
  }
  DequantizeBlocks(weight.encoding, weight.view.As<uint8_t>(), values);
  return out;
}

Result<uint64_t> CheckedBytes(const Shape& shape, DType dtype) {
  constexpr int64_t kMaxElements = int64_t{1} << 40;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 1 || size > kMaxElements / count) {
      return DataLoss("expected sizes from 1 and at most 2^40 elements, found shape " +
                      ShapeToString(shape) + "; the file is broken, fetch it again");
    }
    count *= size;
  }
  return static_cast<uint64_t>(count) * DTypeSize(dtype);
}

WeightFile::WeightFile(std::shared_ptr<const void> owner) : storage_(std::make_shared<Storage>()) {
  storage_->owners.push_back(std::move(owner));
}

const Weight* WeightFile::Find(std::string_view name) const {
  const auto it = weights_.find(name);
  return it == weights_.end() ? nullptr : &it->second;
}

Result<const Weight*> WeightFile::Get(std::string_view name) const {
  const Weight* weight = Find(name);
  if (weight != nullptr) return weight;
  // The next name in order is most often the one that was meant.
  const auto near = weights_.lower_bound(name);
  std::string message = "expected a weight \"" + std::string(name) + "\", found none among " +
                        std::to_string(weights_.size());
  if (near != weights_.end()) message += " (the next in order is \"" + near->first + "\")";
  return NotFound(message +
                  "; the file holds another architecture or was exported with other names");
}

Result<const Weight*> WeightFile::Get(std::string_view name, const Shape& expected) const {
  TESSERA_ASSIGN_OR_RETURN(const Weight* weight, Get(name));
  if (weight->shape != expected) {
    return DataLoss("expected weight \"" + std::string(name) + "\" of shape " +
                    ShapeToString(expected) + ", found " + ShapeToString(weight->shape) +
                    "; the weights do not belong to this configuration");
  }
  return weight;
}

Status WeightFile::Add(std::string name, Weight weight) {
  const auto [it, inserted] = weights_.try_emplace(std::move(name), std::move(weight));
  if (inserted) return OkStatus();
  return DataLoss("weight \"" + it->first + "\" appears twice; the file is broken, fetch it again");
}

void WeightFile::Replace(std::string_view name, Weight weight) {
  const auto it = weights_.find(name);
  TESSERA_CHECK(it != weights_.end());
  it->second = std::move(weight);
}

View WeightFile::AlignedView(const uint8_t* data, DType dtype, Shape shape) {
  View view{data, dtype, std::move(shape)};
  if (reinterpret_cast<uintptr_t>(data) % DTypeSize(dtype) == 0) return view;
  const bool is_float = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
  if (is_float && view.bytes() > kMaxAlignedCopy) return view;
  return Keep(Tensor::CopyOf(view));
}

View WeightFile::Keep(Tensor tensor) {
  storage_->copies.push_back(std::move(tensor));
  return storage_->copies.back().ViewOf();  // the elements do not move when the vector grows
}

void WeightFile::KeepMapping(std::shared_ptr<const MappedFile> file) {
  storage_->mappings.push_back(std::move(file));
}

void WeightFile::ReleasePages() const {
  for (const auto& file : storage_->mappings) file->DontNeed(0, file->bytes().size());
}

Status WeightFile::Merge(WeightFile other) {
  for (auto& [name, weight] : other.weights_) TESSERA_RETURN_IF_ERROR(Add(name, std::move(weight)));
  metadata.merge(other.metadata);
  for (const auto& file : other.storage_->mappings) storage_->mappings.push_back(file);
  storage_->owners.push_back(std::move(other.storage_));
  return OkStatus();
}

}  // namespace tessera
