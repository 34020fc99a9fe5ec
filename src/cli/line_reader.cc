#include "cli/line_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "base/file.h"

namespace tessera::cli {
namespace {

constexpr size_t kBufferBytes = 1 << 16;
constexpr size_t kLongestMark = 3;  // of byte order

}  // namespace

Result<ReadBytes> OpenBytes(const std::string& path) {
  const bool is_stdin = path == "-";
  if (!is_stdin && FolderExists(path)) return InvalidArgument("expected a file, found a folder");
  errno = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): closed by its shared owner
  const std::shared_ptr<std::FILE> file(is_stdin ? stdin : std::fopen(path.c_str(), "rb"),
                                        [is_stdin](std::FILE* f) {
                                          if (f != nullptr && !is_stdin) std::fclose(f);
                                        });
  if (file == nullptr) {
    const std::string why = std::strerror(errno);
    return errno == EACCES ? PermissionDenied(why) : NotFound(why);
  }
  return ReadBytes([file](std::span<char> out) -> Result<size_t> {
    errno = 0;
    const size_t got = std::fread(out.data(), 1, out.size(), file.get());
    if (got == 0 && std::ferror(file.get()) != 0)
      return DataLoss(std::string("could not read on: ") + std::strerror(errno));
    return got;
  });
}

ReadBytes BytesOf(std::string_view text) {
  return [text](std::span<char> out) mutable -> Result<size_t> {
    const size_t size = std::min(out.size(), text.size());
    std::copy_n(text.data(), size, out.data());
    text.remove_prefix(size);
    return size;
  };
}

LineReader::LineReader(ReadBytes read, size_t max_line_bytes)
    : read_(std::move(read)),
      max_line_bytes_(max_line_bytes),
      buffer_(std::make_unique<char[]>(kBufferBytes)) {}

// More into the empty buffer; false at the end.
Result<bool> LineReader::Fill() {
  if (at_end_) return false;
  const bool first = bytes_read_ == 0;
  begin_ = end_ = 0;
  // At first enough to know a byte order mark.
  do {
    at_end_ = true;  // should reading fail
    TESSERA_ASSIGN_OR_RETURN(const size_t got, read_({buffer_.get() + end_, kBufferBytes - end_}));
    at_end_ = got == 0;
    end_ += got;
    bytes_read_ += got;
  } while (first && !at_end_ && end_ < kLongestMark);
  const std::string_view start(buffer_.get(), end_);
  if (first && (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))) {
    begin_ = end_ = 0;
    at_end_ = true;
    return DataLoss("expected UTF-8, found UTF-16; convert it, for example with iconv -f UTF-16");
  }
  if (first && start.starts_with("\xEF\xBB\xBF")) begin_ = kLongestMark;
  return end_ > 0;
}

Result<bool> LineReader::Next(std::string* line) {
  line->clear();
  cut_ = false;
  bool any = false;  // a line has begun
  while (true) {
    if (begin_ == end_) {
      TESSERA_ASSIGN_OR_RETURN(const bool more, Fill());
      if (!more) break;
      if (begin_ == end_) continue;
    }
    any = true;
    const char* start = buffer_.get() + begin_;
    const auto* newline = static_cast<const char*>(std::memchr(start, '\n', end_ - begin_));
    const size_t length = newline != nullptr ? newline - start : end_ - begin_;
    // One byte of room for the '\r' of "\r\n".
    const size_t taken = std::min(length, max_line_bytes_ + 1 - line->size());
    cut_ |= taken < length;
    line->append(start, taken);
    begin_ += length + (newline != nullptr ? 1 : 0);
    if (newline != nullptr) break;
  }
  if (!any) return false;
  ++line_number_;
  if (!cut_ && line->ends_with('\r')) line->pop_back();
  if (line->size() > max_line_bytes_) {
    line->pop_back();
    cut_ = true;
  }
  return true;
}

}  // namespace tessera::cli
