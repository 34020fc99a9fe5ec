// The protobuf wire format, as much of it as ONNX files use: varints, fixed32, fixed64 and
// length-delimited fields.
//
// Source: the public encoding description of Protocol Buffers. Writers append to a string; the
// reader walks a byte range that it does not own and never reads outside it. Thread-compatible.
#ifndef TESSERA_BASE_PROTOBUF_WIRE_H_
#define TESSERA_BASE_PROTOBUF_WIRE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tessera/status.h"

namespace tessera {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Field numbers are 1 to 2^29 - 1.
class WireWriter {
 public:
  // Signed 64-bit numbers are two's complement, as protobuf's int64 is.
  void Int(uint32_t field, int64_t value);
  void Float(uint32_t field, float value);
  void Bytes(uint32_t field, std::string_view bytes);  // string, bytes, or an encoded message
  // The head of a length-delimited field; its `size` bytes are to follow.
  void BytesHead(uint32_t field, uint64_t size);
  // Bytes as they are: the body of a BytesHead.
  void Raw(std::string_view bytes) { data_.append(bytes); }

  const std::string& data() const { return data_; }

 private:
  void Varint(uint64_t value);
  void Tag(uint32_t field, WireType type) {
    Varint(uint64_t{field} << 3 | static_cast<uint64_t>(type));
  }

  std::string data_;
};

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // kVarint, kFixed32, kFixed64
  std::string_view bytes;  // kBytes; points into the reader's range

  int64_t AsInt() const { return static_cast<int64_t>(value); }
  float AsFloat() const;  // kFixed32
};

class WireReader {
 public:
  explicit WireReader(std::string_view data) : data_(data) {}
  // The next field; nothing at the end. kDataLoss when a varint is longer than 10 bytes or runs
  // over the end, a length passes the end, the field number is 0 or too large, or the type is a
  // group or unknown.
  Result<std::optional<WireField>> Next();
  // The next number of a packed field, which has no tags; not at the end. Fixed: 4 or 8 bytes.
  Result<uint64_t> Varint();
  Result<uint64_t> Fixed(size_t bytes);

  size_t position() const { return position_; }
  bool AtEnd() const { return position_ == data_.size(); }

 private:
  std::string_view data_;
  size_t position_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_BASE_PROTOBUF_WIRE_H_
