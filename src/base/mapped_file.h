// A whole file mapped read-only into memory: how model weights are read without copying them.
//
// The mapping is private and read-only; the kernel loads pages when they are first touched and may
// drop them again under memory pressure. A file that another process shortens while it is mapped
// faults on access (as with every mmap), so models are replaced by rename (base/atomic_file.h),
// never rewritten in place. All methods are const and thread-safe.
#ifndef TESSERA_BASE_MAPPED_FILE_H_
#define TESSERA_BASE_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tessera/status.h"

namespace tessera {

// Raw bytes of a file or message.
using Bytes = std::span<const uint8_t>;
inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// What tells a file from another that took its place: a new content, by rename or by writing,
// changes at least one of these. The change time cannot be set by a program, so a restored
// modification time does not hide a change.
struct FileStamp {
  uint64_t size = 0;
  uint64_t inode = 0;
  int64_t modified_ns = 0;  // since 1970
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

class MappedFile {
 public:
  // kNotFound, kPermissionDenied, kInvalidArgument (a folder, a pipe, a device) or
  // kResourceExhausted (no address space). An empty file maps to an empty span. The start of the
  // mapping is page-aligned.
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  Bytes bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Of the file that is mapped, whatever lies at its path now.
  const FileStamp& stamp() const { return stamp_; }

  // Hints; they never fail and never change a byte. Prefetch starts reading the whole file in the
  // background.
  void Prefetch() const;
  // The pages that lie wholly inside [offset, offset + length) are not needed soon; a later access
  // reads them again.
  void DontNeed(size_t offset, size_t length) const;

 private:
  MappedFile(std::string path, const uint8_t* data, size_t size, const FileStamp& stamp)
      : path_(std::move(path)), data_(data), size_(size), stamp_(stamp) {}

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  FileStamp stamp_;
};

}  // namespace tessera

#endif  // TESSERA_BASE_MAPPED_FILE_H_
