#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/huge_pages.h"

namespace tessera {

int64_t NumElements(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

Result<int64_t> CheckedNumElements(std::span<const int64_t> shape, int64_t limit) {
  int64_t n = 1;
  bool empty = false;
  for (int64_t d : shape) {
    if (d < 0) return InvalidArgument("negative size in shape " + ShapeToString(shape));
    if (d == 0) {
      empty = true;
    } else if (n > limit / d) {
      return InvalidArgument("shape " + ShapeToString(shape) + " has more than " +
                             std::to_string(limit) + " elements");
    } else {
      n *= d;
    }
  }
  return empty ? 0 : n;
}

std::string ShapeToString(std::span<const int64_t> shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

View View::Rows(int64_t begin, int64_t end) const {
  TESSERA_DCHECK(!shape.empty() && begin >= 0 && begin <= end && end <= shape[0]);
  View v = *this;
  v.shape[0] = end - begin;
  const int64_t row = shape[0] == 0 ? 0 : size() / shape[0];
  v.data = static_cast<const char*>(data) + static_cast<size_t>(begin * row) * DTypeSize(dtype);
  return v;
}

namespace {
constexpr size_t kAlign = 64;

// The aligned part, a line behind it, and a line before it that ends in the allocation's address.
size_t AllocationBytes(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign + 3 * kAlign; }
}  // namespace

AlignedBuffer::AlignedBuffer(void* allocation, size_t bytes) : bytes_(bytes) {
  if (allocation == nullptr) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(allocation);
  auto* aligned = reinterpret_cast<char*>((begin / kAlign + 2) * kAlign);
  std::memcpy(aligned - sizeof(void*), &allocation, sizeof(void*));
  data_.reset(aligned);
}

AlignedBuffer::AlignedBuffer(size_t bytes)
    : AlignedBuffer(bytes < kMinHugeBytes ? std::malloc(AllocationBytes(bytes))
                                          : AllocateHuge(AllocationBytes(bytes)),
                    bytes) {}

AlignedBuffer AlignedBuffer::Zeroed(size_t bytes) {
  return AlignedBuffer(std::calloc(AllocationBytes(bytes), 1), bytes);
}

void AlignedBuffer::Free::operator()(void* p) const {
  void* allocation;
  std::memcpy(&allocation, static_cast<char*>(p) - sizeof(void*), sizeof(void*));
  std::free(allocation);
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype),
      shape_(std::move(shape)),
      buffer_(static_cast<size_t>(NumElements(shape_)) * DTypeSize(dtype)) {}

Tensor Tensor::Zeros(DType dtype, Shape shape) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = std::move(shape);
  t.buffer_ = AlignedBuffer::Zeroed(static_cast<size_t>(NumElements(t.shape_)) * DTypeSize(dtype));
  return t;
}

Tensor Tensor::CopyOf(const View& view) {
  Tensor t(view.dtype, view.shape);
  if (view.bytes() != 0) std::memcpy(t.buffer_.data(), view.data, view.bytes());
  return t;
}

Result<Tensor> ToF32Tensor(const View& view) {
  Tensor out(DType::kF32, view.shape);
  float* dst = out.As<float>();
  const int64_t n = view.size();
  switch (view.dtype) {
    case DType::kF32:
      if (n != 0) std::memcpy(dst, view.data, view.bytes());
      return out;
    case DType::kF16:
      for (int64_t i = 0; i < n; ++i) dst[i] = LoadFloat(view.data, DType::kF16, i);
      return out;
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i) dst[i] = LoadFloat(view.data, DType::kBF16, i);
      return out;
    default:
      return InvalidArgument("expected a float tensor, found " +
                             std::string(DTypeName(view.dtype)));
  }
}

}  // namespace tessera
