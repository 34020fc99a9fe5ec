#include "base/protobuf_wire.h"

#include <bit>

#include "base/check.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxField = (uint64_t{1} << 29) - 1;

Status Broken(size_t position, const std::string& what) {
  return DataLoss("protobuf: at byte " + std::to_string(position) + ": " + what);
}

}  // namespace

void WireWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    data_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  data_.push_back(static_cast<char>(value));
}

void WireWriter::Int(uint32_t field, int64_t value) {
  Tag(field, WireType::kVarint);
  Varint(static_cast<uint64_t>(value));
}

void WireWriter::Float(uint32_t field, float value) {
  Tag(field, WireType::kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) data_.push_back(static_cast<char>(bits >> shift));
}

void WireWriter::BytesHead(uint32_t field, uint64_t size) {
  Tag(field, WireType::kBytes);
  Varint(size);
}

void WireWriter::Bytes(uint32_t field, std::string_view bytes) {
  BytesHead(field, bytes.size());
  Raw(bytes);
}

float WireField::AsFloat() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }

Result<uint64_t> WireReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (position_ == data_.size()) return Broken(position_, "the data ends inside a number");
    const auto byte = static_cast<uint8_t>(data_[position_++]);
    if (shift == 63 && byte > 1) return Broken(position_, "a number has more than 64 bits");
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return Broken(position_, "a number has more than 10 bytes");
}

Result<uint64_t> WireReader::Fixed(size_t bytes) {
  if (data_.size() - position_ < bytes) return Broken(position_, "the data ends inside a number");
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<uint8_t>(data_[position_ + i])} << (8 * i);
  }
  position_ += bytes;
  return value;
}

Result<std::optional<WireField>> WireReader::Next() {
  if (position_ == data_.size()) return std::optional<WireField>();
  TESSERA_ASSIGN_OR_RETURN(const uint64_t tag, Varint());
  if (tag >> 3 == 0 || tag >> 3 > kMaxField) return Broken(position_, "bad field number");
  WireField field;
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint: {
      TESSERA_ASSIGN_OR_RETURN(field.value, Varint());
      break;
    }
    case WireType::kFixed32: {
      TESSERA_ASSIGN_OR_RETURN(field.value, Fixed(4));
      break;
    }
    case WireType::kFixed64: {
      TESSERA_ASSIGN_OR_RETURN(field.value, Fixed(8));
      break;
    }
    case WireType::kBytes: {
      TESSERA_ASSIGN_OR_RETURN(const uint64_t size, Varint());
      if (size > data_.size() - position_) {
        return Broken(position_, "a field of " + std::to_string(size) + " bytes passes the end");
      }
      field.bytes = data_.substr(position_, size);
      position_ += size;
      break;
    }
    default:
      return Broken(position_, "expected wire type 0, 1, 2 or 5, found " + std::to_string(tag & 7));
  }
  return std::optional<WireField>(field);
}

}  // namespace tessera
