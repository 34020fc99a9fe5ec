// Where encoded audio comes from: a file, memory, or a stream that was gathered first. Positions
// are bytes from the start.
#ifndef TESSERA_AUDIO_BYTE_SOURCE_H_
#define TESSERA_AUDIO_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/spill_file.h"
#include "tessera/status.h"

namespace tessera {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t size() const = 0;
  // Fills `out` from `offset` on and returns how many bytes there were; fewer only at the end or
  // after a read error.
  virtual size_t ReadAt(int64_t offset, std::span<std::byte> out) = 0;
};

class FileByteSource : public ByteSource {
 public:
  // A regular file. not_found, permission_denied, invalid_argument (a folder) or unavailable.
  static Result<std::unique_ptr<ByteSource>> Open(const std::filesystem::path& path);
  int64_t size() const override { return size_; }
  size_t ReadAt(int64_t offset, std::span<std::byte> out) override;

 private:
  std::ifstream file_;
  int64_t size_ = 0;
  int64_t position_ = 0;
};

// The bytes must outlive the source.
class MemoryByteSource : public ByteSource {
 public:
  explicit MemoryByteSource(std::span<const std::byte> bytes) : bytes_(bytes) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  size_t ReadAt(int64_t offset, std::span<std::byte> out) override;

 private:
  const std::span<const std::byte> bytes_;
};

// The file must outlive the source.
class SpillByteSource : public ByteSource {
 public:
  explicit SpillByteSource(const SpillFile& file) : file_(file) {}
  int64_t size() const override { return file_.size(); }
  size_t ReadAt(int64_t offset, std::span<std::byte> out) override;

 private:
  const SpillFile& file_;
};

// A read position in a source, as decoder libraries want one.
class ByteCursor {
 public:
  explicit ByteCursor(ByteSource& source) : source_(source) {}
  int64_t position() const { return position_; }
  int64_t size() const { return source_.size(); }
  size_t Read(void* out, size_t count);
  // False (and no move) when the target lies outside [0, size()].
  bool Seek(int64_t position);

 private:
  ByteSource& source_;
  int64_t position_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_AUDIO_BYTE_SOURCE_H_
