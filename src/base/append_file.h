// A file that grows at its end while its beginning stays readable: output of long work that must
// survive an interruption at any moment.
//
// What Append has returned from is there after the process is killed; after a crash of the system
// only what Sync has returned from is. Not thread-safe; movable.
#ifndef TESSERA_BASE_APPEND_FILE_H_
#define TESSERA_BASE_APPEND_FILE_H_

#include <cstdint>
#include <string>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

class AppendFile {
 public:
  // Creates the file, or keeps the first `keep` bytes of the one that is there. kDataLoss: it has
  // fewer. kInvalidArgument: no regular file.
  static Result<AppendFile> Open(const std::string& path, uint64_t keep);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;

  uint64_t size() const { return size_; }
  // kResourceExhausted: the disk is full; a part may have been written.
  Status Append(Bytes bytes);
  // Replaces bytes that are there: [offset, offset + bytes.size()) within size().
  Status Overwrite(uint64_t offset, Bytes bytes);
  // To the disk.
  Status Sync();

 private:
  AppendFile(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  Status WriteAt(uint64_t offset, Bytes bytes);

  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_BASE_APPEND_FILE_H_
