#include "formats/onnx_tensor.h"

#include "formats/onnx_fields.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "base/file.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX's elements are little-endian");

using namespace onnx_fields::tensor_field;  // NOLINT: lists of names for this file
using namespace onnx_fields::entry_field;   // NOLINT
constexpr uint64_t kLocationExternal = 1;

constexpr size_t kMaxRank = 32;
constexpr size_t kMaxObjectBytes = size_t{256} << 20;
constexpr size_t kMaxDecodedBytes = size_t{1} << 30;
constexpr size_t kMaxFiles = 10000;

struct TypeInfo {
  OnnxType type;
  const char* name;
  int bits;
  uint32_t field;  // that holds elements when they are not raw
  size_t unit;     // bytes that one number of that field stands for
};
constexpr TypeInfo kTypes[] = {
    {1, "float", 32, kFloatData, 4},         {2, "uint8", 8, kInt32Data, 1},
    {3, "int8", 8, kInt32Data, 1},           {4, "uint16", 16, kInt32Data, 2},
    {5, "int16", 16, kInt32Data, 2},         {6, "int32", 32, kInt32Data, 4},
    {7, "int64", 64, kInt64Data, 8},         {8, "string", 0, kStringData, 0},
    {9, "bool", 8, kInt32Data, 1},           {10, "float16", 16, kInt32Data, 2},
    {11, "double", 64, kDoubleData, 8},      {12, "uint32", 32, kUint64Data, 4},
    {13, "uint64", 64, kUint64Data, 8},      {14, "complex64", 64, kFloatData, 4},
    {15, "complex128", 128, kDoubleData, 8}, {16, "bfloat16", 16, kInt32Data, 2},
    {17, "float8e4m3fn", 8, kInt32Data, 1},  {18, "float8e4m3fnuz", 8, kInt32Data, 1},
    {19, "float8e5m2", 8, kInt32Data, 1},    {20, "float8e5m2fnuz", 8, kInt32Data, 1},
    {21, "uint4", 4, kInt32Data, 1},         {22, "int4", 4, kInt32Data, 1},
    {23, "float4e2m1", 4, kInt32Data, 1}};

const TypeInfo* FindType(OnnxType type) {
  return type >= 1 && static_cast<size_t>(type) <= std::size(kTypes) ? &kTypes[type - 1] : nullptr;
}

// Relative, below the folder, and the same place on every system.
bool IsInnerPath(std::string_view path) {
  if (path.empty() || path.find_first_of(std::string_view("\\:\0", 3)) != path.npos) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

bool IsTypedField(uint32_t number) {
  return number == kFloatData || number == kInt32Data || number == kStringData ||
         number == kInt64Data || number == kDoubleData || number == kUint64Data;
}

// Whether the low `unit` bytes say all of a number, signed or not.
bool Fits(uint64_t number, size_t unit) {
  if (unit == 8) return true;
  const uint64_t rest = number >> (8 * unit);
  const bool negative = (number >> (8 * unit - 1) & 1) != 0;
  return rest == 0 || (negative && rest == ~uint64_t{0} >> (8 * unit));
}

}  // namespace

std::string OnnxTypeName(OnnxType type) {
  const TypeInfo* info = FindType(type);
  return info != nullptr ? info->name : "type " + std::to_string(type);
}

int OnnxTypeBits(OnnxType type) {
  const TypeInfo* info = FindType(type);
  return info != nullptr ? info->bits : 0;
}

std::optional<DType> OnnxDType(OnnxType type) {
  switch (type) {
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
    case kOnnxBool:
      return DType::kBool;
    case 10:
      return DType::kF16;
    case 16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

std::string QuotedName(std::string_view name) {
  constexpr size_t kMaxShown = 100;
  std::string text = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    text += static_cast<unsigned char>(c) >= 0x20 && c != 0x7F ? c : '?';
  }
  return text + (name.size() > kMaxShown ? "...'" : "'");
}

Result<View> OnnxTensor::ToView() const {
  const std::optional<DType> dtype = OnnxDType(type);
  if (!dtype) {
    return Unimplemented(
        "expected elements of float, float16, bfloat16, int8, uint8, int32, int64 "
        "or bool in tensor " +
        QuotedName(name) + ", found " + OnnxTypeName(type) + "; convert the model to one of them");
  }
  return View{data.data(), *dtype, shape};
}

namespace onnx_reader {

Status ExpectWire(const WireField& field, WireType type, const char* what) {
  if (field.type == type) return OkStatus();
  return DataLoss("expected wire type " + std::to_string(static_cast<int>(type)) + " for " + what +
                  ", found " + std::to_string(static_cast<int>(field.type)) +
                  "; this is not an ONNX file, or it is broken");
}

Storage::Storage(std::shared_ptr<const void> owner, std::string folder)
    : memory_(std::make_shared<Memory>()),
      folder_(std::move(folder)),
      objects_left_(kMaxObjectBytes),
      decoded_left_(kMaxDecodedBytes) {
  memory_->owner = std::move(owner);
}

Status Storage::Charge(size_t bytes) {
  if (bytes > objects_left_) {
    return ResourceExhausted(
        "expected a graph whose nodes, names and attributes take at most 256 MB of memory, found "
        "more; this is no model that Tessera can use");
  }
  objects_left_ -= bytes;
  return OkStatus();
}

Status Storage::ReadExternalEntry(std::string_view message, ExternalPlace& place) {
  std::string_view key, value;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number != kKey && field.number != kValue) return OkStatus();
    TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "external data"));
    (field.number == kKey ? key : value) = field.bytes;
    return OkStatus();
  }));
  if (key == "location") place.location = value;
  if (key != "offset" && key != "length") return OkStatus();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    return DataLoss("external data: expected a whole number as " + std::string(key) + ", found " +
                    QuotedName(value) + "; export the model again");
  }
  if (key == "offset") {
    place.offset = number;
  } else {
    place.length = number;
  }
  return OkStatus();
}

Result<Bytes> Storage::External(const ExternalPlace& place, uint64_t size) {
  if (!IsInnerPath(place.location)) {
    return DataLoss(
        "external data: expected a path below the folder of the model, without \"..\", "
        "found " +
        QuotedName(place.location) + "; put the data beside the model and save it with that name");
  }
  if (folder_.empty()) {
    return InvalidArgument(
        "external data: expected a model in one piece, as it is read from "
        "memory, found data in " +
        QuotedName(place.location) + "; read it from its file");
  }
  auto it = external_.find(place.location);
  if (it == external_.end()) {
    if (external_.size() == kMaxFiles) {
      return ResourceExhausted("external data: expected at most " + std::to_string(kMaxFiles) +
                               " files, found more; save the model with one data file");
    }
    auto file = MappedFile::Open(JoinPath(folder_, place.location));
    if (!file.ok()) {
      return std::move(file).status().AddContext(
          "external data (fetch it with the model, into the same folder)");
    }
    it = external_.emplace(place.location, (*file)->bytes()).first;
    memory_->files.push_back(std::move(file).value());
  }
  const Bytes bytes = it->second;
  if (place.length.value_or(size) != size) {
    return DataLoss("external data: expected " + std::to_string(size) +
                    " bytes for the shape, found a length of " + std::to_string(*place.length) +
                    "; export the model again");
  }
  if (place.offset > bytes.size() || size > bytes.size() - place.offset) {
    return DataLoss("external data: expected " + std::to_string(size) + " bytes at offset " +
                    std::to_string(place.offset) + " of " + QuotedName(place.location) +
                    ", found " + std::to_string(bytes.size()) +
                    " in the whole file; it is truncated or of another model, fetch both again");
  }
  return bytes.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(size));
}

Result<Bytes> Storage::Decode(std::string_view message, const OnnxTensor& tensor, uint64_t size) {
  const TypeInfo& info = *FindType(tensor.type);
  if (size > decoded_left_) {
    return ResourceExhausted(
        "expected at most 1 GB of elements in typed fields, found more; save the model with raw "
        "or external data");
  }
  const auto wrong_count = [&](const char* found) {
    return DataLoss("expected " + std::to_string(size / info.unit) + " numbers of " + info.name +
                    ShapeToString(tensor.shape) + ", found " + found + "; export the model again");
  };
  // One number takes a byte or more in the file: a shape alone allocates nothing.
  if (size / info.unit > message.size()) return wrong_count("fewer");
  decoded_left_ -= size;
  std::vector<uint8_t> data(size);
  size_t at = 0;
  const WireType element = info.field == kFloatData    ? WireType::kFixed32
                           : info.field == kDoubleData ? WireType::kFixed64
                                                       : WireType::kVarint;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number != info.field) return OkStatus();
    return ForEachNumber(field, element, "elements", [&](uint64_t number) {
      if (at == size) return wrong_count("more");
      if (!Fits(number, info.unit)) {
        return DataLoss("expected elements of " + std::string(info.name) + ", found the number " +
                        std::to_string(static_cast<int64_t>(number)) + "; export the model again");
      }
      std::memcpy(data.data() + at, &number, info.unit);
      at += info.unit;
      return OkStatus();
    });
  }));
  if (at != size) return wrong_count("fewer");
  memory_->decoded.push_back(std::move(data));
  return Bytes(memory_->decoded.back());
}

Result<OnnxTensor> Storage::ReadTensor(std::string_view message) {
  OnnxTensor tensor;
  std::optional<std::string_view> raw;
  std::optional<uint32_t> typed;  // number of the typed field that is used
  uint64_t location = 0;
  ExternalPlace place;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    switch (field.number) {
      case kDims:
        return ForEachNumber(field, WireType::kVarint, "dimensions", [&](uint64_t size) {
          if (tensor.shape.size() == kMaxRank) {
            return DataLoss("expected at most " + std::to_string(kMaxRank) +
                            " dimensions of a tensor, found more; the file is broken");
          }
          tensor.shape.push_back(static_cast<int64_t>(size));
          return OkStatus();
        });
      case kDataType:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kVarint, "an element type"));
        // A number beyond int32 is no type either.
        tensor.type = Fits(field.value, 4) ? static_cast<OnnxType>(field.value) : -1;
        return OkStatus();
      case kName:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a name"));
        tensor.name = field.bytes;
        return OkStatus();
      case kRawData:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "raw data"));
        raw = field.bytes;
        return OkStatus();
      case kDataLocation:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kVarint, "a data location"));
        location = field.value;
        return OkStatus();
      case kExternalData:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "external data"));
        return ReadExternalEntry(field.bytes, place);
      default:
        if (IsTypedField(field.number)) typed = field.number;
        return OkStatus();
    }
  }));
  const auto in_tensor = [&](Status status) {
    return std::move(status).AddContext("tensor " + QuotedName(tensor.name));
  };
  TESSERA_RETURN_IF_ERROR(Charge(tensor.shape.size() * sizeof(int64_t)));
  auto elements = CheckedNumElements(tensor.shape);
  if (!elements.ok()) return in_tensor(DataLoss(elements.status().message()));
  const TypeInfo* info = FindType(tensor.type);
  if (info == nullptr || info->bits == 0) return tensor;  // opaque
  const uint64_t size =
      (static_cast<uint64_t>(*elements) * static_cast<uint64_t>(info->bits) + 7) / 8;
  Result<Bytes> data = Bytes();
  if (location == kLocationExternal) {
    data = External(place, size);
  } else if (raw && (!typed || raw->size() == size)) {
    data = Bytes(reinterpret_cast<const uint8_t*>(raw->data()), raw->size());
    if (raw->size() != size) {
      data = DataLoss("expected " + std::to_string(size) + " bytes of " + info->name +
                      ShapeToString(tensor.shape) + ", found " + std::to_string(raw->size()) +
                      "; the file is broken, fetch it again");
    }
  } else {
    data = Decode(message, tensor, size);
  }
  if (!data.ok()) return in_tensor(std::move(data).status());
  tensor.data = *data;
  return tensor;
}

}  // namespace onnx_reader
}  // namespace tessera
