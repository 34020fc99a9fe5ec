#include "graph/onnx/initializers.h"

#include <algorithm>
#include <optional>

#include "base/mapped_file.h"
#include "graph/onnx/wire.h"

namespace tessera {
namespace {

using onnx::WireField;
using onnx::WireReader;
using onnx::WireType;

// onnx.proto's field numbers.
constexpr uint32_t kModelGraph = 7, kGraphInitializer = 5;
constexpr uint32_t kTensorDims = 1, kTensorType = 2, kTensorName = 8, kTensorRaw = 9;
constexpr size_t kMaxRank = 8;

std::optional<DType> TypeOf(int64_t element_type) {
  switch (element_type) {
    case 1:
      return DType::kF32;
    case 2:
      return DType::kU8;
    case 3:
      return DType::kI8;
    case 6:
      return DType::kI32;
    case 7:
      return DType::kI64;
    case 10:
      return DType::kF16;
    case 16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

// Calls f(field) for each field of a message.
template <typename F>
Status ForEachField(std::string_view message, const F& f) {
  WireReader reader(message);
  while (true) {
    TESSERA_ASSIGN_OR_RETURN(const std::optional<WireField> field, reader.Next());
    if (!field) return OkStatus();
    TESSERA_RETURN_IF_ERROR(f(*field));
  }
}

Status AddDim(int64_t size, Shape& shape) {
  if (shape.size() == kMaxRank) return DataLoss("a tensor of more than 8 dimensions");
  shape.push_back(size);
  return OkStatus();
}

// A repeated int64: one number a field, or all of them packed in one.
Status AddDims(const WireField& field, Shape& shape) {
  if (field.type == WireType::kVarint) return AddDim(field.AsInt(), shape);
  if (field.type != WireType::kBytes) return DataLoss("dimensions of a wrong wire type");
  // Packed numbers have no tags of their own: each is read behind the tag of field 1.
  size_t at = 0;
  while (at < field.bytes.size()) {
    size_t end = at;
    while (end < field.bytes.size() && (field.bytes[end] & 0x80) != 0) ++end;
    const std::string number =
        std::string(1, '\x08') +
        std::string(field.bytes.substr(at, std::min<size_t>(end - at + 1, 16)));
    WireReader reader(number);
    TESSERA_ASSIGN_OR_RETURN(const std::optional<WireField> value, reader.Next());
    TESSERA_RETURN_IF_ERROR(AddDim(value->AsInt(), shape));
    at = end + 1;
  }
  return OkStatus();
}

Status AddTensor(std::string_view message, OnnxInitializers& result) {
  Shape shape;
  int64_t type = 0;
  std::string name;
  std::optional<std::string_view> raw;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number == kTensorDims) return AddDims(field, shape);
    if (field.number == kTensorType && field.type == WireType::kVarint) type = field.AsInt();
    if (field.number == kTensorName && field.type == WireType::kBytes) name = field.bytes;
    if (field.number == kTensorRaw && field.type == WireType::kBytes) raw = field.bytes;
    return OkStatus();
  }));
  const std::optional<DType> dtype = TypeOf(type);
  if (!dtype || !raw) return OkStatus();
  Result<int64_t> elements = CheckedNumElements(shape);
  if (!elements.ok() || static_cast<uint64_t>(*elements) != raw->size() / DTypeSize(*dtype) ||
      raw->size() % DTypeSize(*dtype) != 0) {
    return DataLoss("initializer '" + name + "': " + std::to_string(raw->size()) +
                    " bytes do not fit " + std::string(DTypeName(*dtype)) + ShapeToString(shape));
  }
  if (!result.tensors.emplace(name, View{raw->data(), *dtype, shape}).second) {
    return DataLoss("two initializers are named '" + name + "'");
  }
  return OkStatus();
}

}  // namespace

Result<OnnxInitializers> ParseOnnxInitializers(std::string_view bytes,
                                               std::shared_ptr<const void> owner) {
  OnnxInitializers result;
  result.owner = std::move(owner);
  bool has_graph = false;
  TESSERA_RETURN_IF_ERROR(ForEachField(bytes, [&](const WireField& model_field) {
    if (model_field.number != kModelGraph || model_field.type != WireType::kBytes) {
      return OkStatus();
    }
    has_graph = true;
    return ForEachField(model_field.bytes, [&](const WireField& field) {
      if (field.number != kGraphInitializer || field.type != WireType::kBytes) return OkStatus();
      return AddTensor(field.bytes, result);
    });
  }));
  if (!has_graph) return DataLoss("expected an ONNX model, found no graph");
  return result;
}

Result<OnnxInitializers> ReadOnnxInitializers(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  const auto bytes = file->bytes();
  auto result =
      ParseOnnxInitializers({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
  if (!result.ok()) return std::move(result).status().AddContext(path);
  return result;
}

}  // namespace tessera
