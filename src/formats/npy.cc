#include "formats/npy.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "formats/byte_reader.h"

namespace tessera {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint32_t kMaxHeader = 1 << 16;
constexpr size_t kMaxRank = 32;

// The text after `'key':` in the header, a Python dict literal that NumPy writes in one fixed form.
Result<std::string_view> ValueOf(std::string_view header, const std::string& key) {
  const std::string quoted = "'" + key + "':";
  const size_t at = header.find(quoted);
  if (at == header.npos) return DataLoss("expected " + quoted + " in the header of an .npy file");
  std::string_view value = header.substr(at + quoted.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

Result<DType> ParseDescr(std::string_view value) {
  static constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"'<f4'", DType::kF32}, {"'<f2'", DType::kF16}, {"'<i4'", DType::kI32},
      {"'<i8'", DType::kI64}, {"'|i1'", DType::kI8},  {"'|u1'", DType::kU8},
      {"'|b1'", DType::kBool}};
  for (const auto& [text, type] : kTypes) {
    if (value.starts_with(text)) return type;
  }
  return Unimplemented("expected an .npy file of type <f4, <f2, <i4, <i8, |i1, |u1 or |b1, found " +
                       std::string(value.substr(0, 8)) + "; save it with astype()");
}

// "(1, 80, 3000)", "(5,)", "()"
Result<Shape> ParseShape(std::string_view value) {
  const Status broken =
      DataLoss("expected a tuple of sizes as 'shape' in the header of an .npy file");
  if (!value.starts_with('(')) return broken;
  Shape shape;
  const char* at = value.data() + 1;
  const char* const end = value.data() + value.size();
  const auto skip_spaces = [&] {
    while (at < end && *at == ' ') ++at;
  };
  for (skip_spaces(); at < end && *at != ')'; skip_spaces()) {
    int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || shape.size() == kMaxRank) return broken;
    shape.push_back(size);
    at = next;
    skip_spaces();
    if (at < end && *at == ',') {
      ++at;
    } else if (at == end || *at != ')') {
      return broken;
    }
  }
  if (at == end) return broken;
  return shape;
}

}  // namespace

Result<Tensor> ReadNpy(Bytes bytes) {
  ByteReader reader(bytes);
  TESSERA_ASSIGN_OR_RETURN(const Bytes magic, reader.Take(kMagic.size(), "magic string"));
  if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0) {
    return DataLoss(
        "expected \"\\x93NUMPY\" at the start of an .npy file, found another kind of file");
  }
  TESSERA_ASSIGN_OR_RETURN(const auto major, reader.Read<uint8_t>("major version"));
  TESSERA_ASSIGN_OR_RETURN([[maybe_unused]] const auto minor,
                           reader.Read<uint8_t>("minor version"));
  if (major < 1 || major > 3) {
    return Unimplemented("expected .npy version 1, 2 or 3, found " + std::to_string(major));
  }
  uint32_t header_size = 0;
  if (major == 1) {
    TESSERA_ASSIGN_OR_RETURN(header_size, reader.Read<uint16_t>("header length"));
  } else {
    TESSERA_ASSIGN_OR_RETURN(header_size, reader.Read<uint32_t>("header length"));
  }
  if (header_size > kMaxHeader) {
    return DataLoss("expected an .npy header of at most " + std::to_string(kMaxHeader) +
                    " bytes, found " + std::to_string(header_size));
  }
  TESSERA_ASSIGN_OR_RETURN(const Bytes raw, reader.Take(header_size, "header"));
  const std::string_view header(reinterpret_cast<const char*>(raw.data()), raw.size());

  TESSERA_ASSIGN_OR_RETURN(const std::string_view descr, ValueOf(header, "descr"));
  TESSERA_ASSIGN_OR_RETURN(const DType dtype, ParseDescr(descr));
  TESSERA_ASSIGN_OR_RETURN(const std::string_view fortran, ValueOf(header, "fortran_order"));
  if (!fortran.starts_with("False")) {
    return Unimplemented(
        "expected an .npy file in C order; save it with numpy.ascontiguousarray()");
  }
  TESSERA_ASSIGN_OR_RETURN(const std::string_view shape_text, ValueOf(header, "shape"));
  TESSERA_ASSIGN_OR_RETURN(Shape shape, ParseShape(shape_text));
  TESSERA_ASSIGN_OR_RETURN(const int64_t count, CheckedNumElements(shape));
  const uint64_t num_bytes = static_cast<uint64_t>(count) * DTypeSize(dtype);
  if (num_bytes != reader.remaining()) {
    return DataLoss("expected " + std::to_string(num_bytes) + " bytes of elements for shape " +
                    ShapeToString(shape) + ", found " + std::to_string(reader.remaining()));
  }
  TESSERA_ASSIGN_OR_RETURN(const Bytes data, reader.Take(num_bytes, "elements"));
  return Tensor::CopyOf({data.data(), dtype, std::move(shape)});
}

Result<Tensor> OpenNpy(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  auto tensor = ReadNpy(file->bytes());
  if (!tensor.ok()) return std::move(tensor).status().AddContext("\"" + path + "\"");
  return tensor;
}

}  // namespace tessera
