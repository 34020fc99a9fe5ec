// Named weights as every reader of a model file gives them: views into the mapped file, whatever
// its format.
//
// Element data is little-endian, as on every machine we build for. A weight whose place in the file
// is not a multiple of its element size is copied once into aligned memory, so that its view may be
// read through a typed pointer; but large float weights stay where they are, and LoadFloat,
// ToF32Tensor and the kernels read them unaligned. Views stay valid as long as the WeightFile, a
// copy of it, or its owner() lives. Immutable after reading; copies are cheap to read from several
// threads.
#ifndef TESSERA_FORMATS_WEIGHTS_H_
#define TESSERA_FORMATS_WEIGHTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace tessera {

// How the elements of a weight are stored.
enum class WeightEncoding : uint8_t {
  kPlain,    // view.dtype, view.shape == shape
  kInt8Row,  // i8 with one f32 factor a row (first dimension): value = q * scale[row]
  // Blocks of 32 consecutive elements of the last dimension, ggml's layouts; view is u8 [rows,
  // bytes_per_row].
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
};
// "plain", "int8_row", "q4_0", ...
std::string_view WeightEncodingName(WeightEncoding encoding);
// Bytes of one block of 32 elements; 0 for the encodings without blocks.
size_t BlockBytes(WeightEncoding encoding);

struct Weight {
  Shape shape;  // the logical shape, row-major
  View view;
  View scale;  // f32 [shape[0]] for kInt8Row, else without data
  WeightEncoding encoding = WeightEncoding::kPlain;
};

// The values of a weight as a new f32 tensor of its logical shape: floats are widened, quantised
// ones dequantised. kInvalidArgument for a plain weight of an integer type.
Result<Tensor> ToF32(const Weight& weight);

// Bytes of shape's elements for a shape from a file; kDataLoss for a size below 1 or a product that
// no file can hold.
Result<uint64_t> CheckedBytes(const Shape& shape, DType dtype);

class WeightFile {
 public:
  static constexpr size_t kMaxAlignedCopy = 64u << 10;
  using Map = std::map<std::string, Weight, std::less<>>;

  // `owner` keeps the bytes of the file alive.
  explicit WeightFile(std::shared_ptr<const void> owner = nullptr);

  // Null when there is no such weight.
  const Weight* Find(std::string_view name) const;
  // As Find; an absent weight is kNotFound, a present one of another shape kDataLoss, both with
  // what the file has instead.
  Result<const Weight*> Get(std::string_view name) const;
  Result<const Weight*> Get(std::string_view name, const Shape& expected) const;

  const Map& weights() const { return weights_; }  // by name, in order of the names
  // Keeps every view alive, those of weights that were copied included.
  std::shared_ptr<const void> owner() const { return storage_; }

  // Free-form strings of the file ("format": "pt").
  std::map<std::string, std::string, std::less<>> metadata;

  // For readers. Adds a weight; kDataLoss when the name exists.
  Status Add(std::string name, Weight weight);
  // Puts another weight in the place of one that exists.
  void Replace(std::string_view name, Weight weight);
  // `data` holds shape's elements of `dtype`; a copy is made only when it is not aligned to the
  // element size and not a float weight of more than kMaxAlignedCopy bytes.
  View AlignedView(const uint8_t* data, DType dtype, Shape shape);
  // The file behind the views; ReleasePages then gives its pages back to the system, which reads
  // them again when they are touched.
  void KeepMapping(std::shared_ptr<const MappedFile> file);
  void ReleasePages() const;
  const std::vector<std::shared_ptr<const MappedFile>>& mappings() const {
    return storage_->mappings;
  }
  // Takes over a tensor's memory and returns the view of it.
  View Keep(Tensor tensor);
  // Takes over the weights, the metadata and the memory of another file; kDataLoss when a name
  // exists in both.
  Status Merge(WeightFile other);

 private:
  struct Storage {
    std::vector<std::shared_ptr<const void>> owners;
    std::vector<Tensor> copies;
    std::vector<std::shared_ptr<const MappedFile>> mappings;
  };
  std::shared_ptr<Storage> storage_;
  Map weights_;
};

}  // namespace tessera

#endif  // TESSERA_FORMATS_WEIGHTS_H_
