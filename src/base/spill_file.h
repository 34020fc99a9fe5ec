// An anonymous temporary file: bytes that are too many for memory. It has no name (other processes
// cannot open it by path) and is gone when the object, or the process, is.
//
// Created in $TMPDIR, else in the system's folder for temporary files. Append() is for one thread;
// ReadAt() may run on any number of threads at once, also while no Append() runs. Short reads and
// writes are retried; a full disk is resource_exhausted.
#ifndef TESSERA_BASE_SPILL_FILE_H_
#define TESSERA_BASE_SPILL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tessera/status.h"

namespace tessera {

class SpillFile {
 public:
  static Result<std::unique_ptr<SpillFile>> Create();
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Adds `bytes` at the end.
  Status Append(std::span<const std::byte> bytes);
  // Fills `out` from byte `offset` on; out_of_file ranges are invalid_argument.
  Status ReadAt(int64_t offset, std::span<std::byte> out) const;

  int64_t size() const { return size_; }
  // The descriptor, owned by this object, positioned nowhere in particular. For handing to a child
  // process.
  int fd() const { return fd_; }

 private:
  explicit SpillFile(int fd) : fd_(fd) {}

  const int fd_;
  int64_t size_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_BASE_SPILL_FILE_H_
