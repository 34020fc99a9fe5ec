// The element data of an ONNX file: raw, in typed fields, or in a file beside it. Used by onnx.cc
// alone.
#ifndef TESSERA_FORMATS_ONNX_TENSOR_H_
#define TESSERA_FORMATS_ONNX_TENSOR_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/protobuf_wire.h"
#include "formats/onnx.h"

namespace tessera::onnx_reader {

// Calls f(field) for each field of a message; stops at the first error.
template <typename F>
Status ForEachField(std::string_view message, const F& f) {
  WireReader reader(message);
  while (true) {
    TESSERA_ASSIGN_OR_RETURN(const std::optional<WireField> field, reader.Next());
    if (!field) return OkStatus();
    TESSERA_RETURN_IF_ERROR(f(*field));
  }
}
// kDataLoss unless the field has this wire type; `what` names it.
Status ExpectWire(const WireField& field, WireType type, const char* what);
// Calls f(number) for each number of a repeated field, one a field or packed. `element` is the wire
// type of one: kVarint, kFixed32 or kFixed64.
template <typename F>
Status ForEachNumber(const WireField& field, WireType element, const char* what, const F& f) {
  if (field.type == element) return f(field.value);
  TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, what));
  WireReader packed(field.bytes);
  while (!packed.AtEnd()) {
    auto number = element == WireType::kVarint
                      ? packed.Varint()
                      : packed.Fixed(element == WireType::kFixed32 ? 4 : 8);
    if (!number.ok()) return std::move(number).status().AddContext(what);
    TESSERA_RETURN_IF_ERROR(f(*number));
  }
  return OkStatus();
}

// Memory behind the views of one model, and what is left of the bounds.
class Storage {
 public:
  Storage(std::shared_ptr<const void> owner, std::string folder);

  // Takes `bytes` of the bound on parsed objects.
  Status Charge(size_t bytes);
  Result<OnnxTensor> ReadTensor(std::string_view message);
  // Keeps the files and the decoded data, as well as `owner`.
  std::shared_ptr<const void> owner() const { return memory_; }
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return memory_->files; }

 private:
  struct Memory {
    std::shared_ptr<const void> owner;
    std::vector<std::shared_ptr<const MappedFile>> files;  // of external data
    std::vector<std::vector<uint8_t>> decoded;
  };
  struct ExternalPlace {
    std::string_view location;
    uint64_t offset = 0;
    std::optional<uint64_t> length;
  };

  static Status ReadExternalEntry(std::string_view message, ExternalPlace& place);
  Result<Bytes> External(const ExternalPlace& place, uint64_t size);
  Result<Bytes> Decode(std::string_view message, const OnnxTensor& tensor, uint64_t size);

  std::shared_ptr<Memory> memory_;
  const std::string folder_;
  std::map<std::string, Bytes, std::less<>> external_;
  size_t objects_left_, decoded_left_;
};

}  // namespace tessera::onnx_reader

#endif  // TESSERA_FORMATS_ONNX_TENSOR_H_
