// Dense row-major arrays: View (borrows, read-only), MutableView (borrows, writable), Tensor (owns,
// 64-byte aligned).
//
// Shapes are vectors of non-negative sizes; an empty shape is a scalar. None of the types checks
// bounds on access. Views are plain values: copying one copies no element. A Tensor is movable, not
// copyable. Thread-compatible.
#ifndef TESSERA_TENSOR_TENSOR_H_
#define TESSERA_TENSOR_TENSOR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tensor/dtype.h"

namespace tessera {

using Shape = std::vector<int64_t>;

// Product of the sizes; 1 for a scalar.
int64_t NumElements(std::span<const int64_t> shape);
// The same for sizes from a file: error when a size is negative or the product passes `limit`.
Result<int64_t> CheckedNumElements(std::span<const int64_t> shape,
                                   int64_t limit = int64_t{1} << 40);
// "[1, 80, 3000]"
std::string ShapeToString(std::span<const int64_t> shape);

struct View {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  int64_t size() const { return NumElements(shape); }
  size_t bytes() const { return static_cast<size_t>(size()) * DTypeSize(dtype); }
  template <typename T>
  const T* As() const {
    TESSERA_DCHECK(dtype == kDTypeOf<T>);
    return static_cast<const T*>(data);
  }
  template <typename T>
  std::span<const T> Span() const {
    return {As<T>(), static_cast<size_t>(size())};
  }
  // Rows [begin, end) of the first dimension.
  View Rows(int64_t begin, int64_t end) const;
};

struct MutableView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  int64_t size() const { return NumElements(shape); }
  size_t bytes() const { return static_cast<size_t>(size()) * DTypeSize(dtype); }
  template <typename T>
  T* As() const {
    TESSERA_DCHECK(dtype == kDTypeOf<T>);
    return static_cast<T*>(data);
  }
  template <typename T>
  std::span<T> Span() const {
    return {As<T>(), static_cast<size_t>(size())};
  }
  operator View() const { return {data, dtype, shape}; }  // NOLINT: a writable view reads as well
};

// Memory aligned to 64 bytes (a cache line, a zmm register) with 64 readable bytes after the end.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);  // not zeroed
  // Memory that is never touched costs nothing, where the system hands out pages on first use.
  static AlignedBuffer Zeroed(size_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  // Takes over what malloc or calloc gave for AllocationBytes(bytes).
  AlignedBuffer(void* allocation, size_t bytes);

  std::unique_ptr<void, Free> data_;
  size_t bytes_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);  // elements not initialised
  static Tensor Zeros(DType dtype, Shape shape);
  static Tensor CopyOf(const View& view);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return NumElements(shape_); }
  template <typename T>
  T* As() {
    return MutableViewOf().As<T>();
  }
  template <typename T>
  const T* As() const {
    return ViewOf().As<T>();
  }
  template <typename T>
  std::span<T> Span() {
    return {As<T>(), static_cast<size_t>(size())};
  }
  template <typename T>
  std::span<const T> Span() const {
    return {As<T>(), static_cast<size_t>(size())};
  }
  View ViewOf() const { return {buffer_.data(), dtype_, shape_}; }
  MutableView MutableViewOf() { return {buffer_.data(), dtype_, shape_}; }

 private:
  DType dtype_ = DType::kF32;
  Shape shape_;
  AlignedBuffer buffer_;
};

// Any float type (f32, f16, bf16) to a new f32 tensor of the same shape. The elements need not be
// aligned.
Result<Tensor> ToF32Tensor(const View& view);

}  // namespace tessera

#endif  // TESSERA_TENSOR_TENSOR_H_
