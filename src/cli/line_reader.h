// Lines of a stream of bytes, with bounded memory whatever the stream holds.
#ifndef TESSERA_CLI_LINE_READER_H_
#define TESSERA_CLI_LINE_READER_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tessera/status.h"

namespace tessera::cli {

// Fills the beginning of `out` and returns how many bytes; 0 at the end. Not called again after
// that or after an error.
using ReadBytes = std::function<Result<size_t>(std::span<char> out)>;

// Of a file, or of stdin for "-". kNotFound, kPermissionDenied or kInvalidArgument (a folder).
Result<ReadBytes> OpenBytes(const std::string& path);
// Of `text`, which must outlive it.
ReadBytes BytesOf(std::string_view text);

// Not thread-safe.
class LineReader {
 public:
  // Of a longer line the first `max_line_bytes` are kept.
  LineReader(ReadBytes read, size_t max_line_bytes);

  // The next line without its end ("\n" or "\r\n"); false at the end of the stream, where an
  // unfinished last line counts and an empty one does not. A UTF-8 byte order mark at the start is
  // left out. kDataLoss: the stream is UTF-16. After an error the stream is at its end.
  Result<bool> Next(std::string* line);

  int64_t line_number() const { return line_number_; }  // of the last line, from 1
  bool cut() const { return cut_; }                     // whether the last line was longer
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  Result<bool> Fill();

  const ReadBytes read_;
  const size_t max_line_bytes_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0, end_ = 0;  // unread part of the buffer
  bool at_end_ = false;
  int64_t line_number_ = 0;
  bool cut_ = false;
  uint64_t bytes_read_ = 0;
};

}  // namespace tessera::cli

#endif  // TESSERA_CLI_LINE_READER_H_
