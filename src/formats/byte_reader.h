// A cursor over untrusted little-endian bytes: every read is checked against what is left.
#ifndef TESSERA_FORMATS_BYTE_READER_H_
#define TESSERA_FORMATS_BYTE_READER_H_

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "base/check.h"
#include "base/mapped_file.h"

namespace tessera {

static_assert(std::endian::native == std::endian::little,
              "file readers assume a little-endian machine");

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  // The next sizeof(T) bytes as T. `what` names the field in the error ("number of weights").
  template <typename T>
  Result<T> Read(const char* what) {
    static_assert(std::is_trivially_copyable_v<T>);
    TESSERA_ASSIGN_OR_RETURN(const Bytes raw, Take(sizeof(T), what));
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  // The next `count` bytes, in place.
  Result<Bytes> Take(uint64_t count, const char* what) {
    if (count > remaining()) {
      return DataLoss("expected " + std::to_string(count) + " bytes of " + what + " at offset " +
                      std::to_string(position_) + ", found " + std::to_string(remaining()) +
                      " before the end of the file; it is truncated or broken, fetch it again");
    }
    const Bytes taken = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return taken;
  }

 private:
  Bytes bytes_;
  size_t position_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_FORMATS_BYTE_READER_H_
