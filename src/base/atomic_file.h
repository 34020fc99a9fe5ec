// Files that appear whole or not at all.
//
// The content goes to a new file in the same folder, which is flushed to the disk and then renamed
// over the target. A full or failing disk, a crash or a cancelled caller leaves the old file as it
// was (a crash may leave a ".NAME.XXXXXX.tmp").
#ifndef TESSERA_BASE_ATOMIC_FILE_H_
#define TESSERA_BASE_ATOMIC_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

// Replaces or creates the file at `path`, readable for all as far as the umask allows; an existing
// file's mode is kept. A link is followed: its target is replaced. kResourceExhausted: the disk is
// full.
Status WriteFileAtomically(const std::string& path, std::string_view content);

// The same piece by piece. Not thread-safe; movable.
class AtomicFileWriter {
 public:
  static Result<AtomicFileWriter> Create(const std::string& path);
  // Without a Commit the new file is removed.
  ~AtomicFileWriter();
  AtomicFileWriter(AtomicFileWriter&& other) noexcept;
  AtomicFileWriter& operator=(AtomicFileWriter&& other) noexcept;

  Status Append(Bytes bytes);
  // Flushes, renames. Afterwards the writer is spent. Without kFlush a crash of the system may
  // leave a broken file under the name: for files whose readers find that out and that are cheap to
  // make again.
  enum class Durability { kFlush, kNoFlush };
  Status Commit(Durability durability = Durability::kFlush);

 private:
  AtomicFileWriter(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  void Abandon();

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace tessera

#endif  // TESSERA_BASE_ATOMIC_FILE_H_
