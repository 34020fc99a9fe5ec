#include "audio/byte_source.h"

#include <algorithm>
#include <system_error>

namespace tessera {

Result<std::unique_ptr<ByteSource>> FileByteSource::Open(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return NotFound("no such file: " + name);
  }
  if (error) {
    const std::string message = "cannot open " + name + ": " + error.message();
    return error == std::errc::permission_denied ? PermissionDenied(message) : Unavailable(message);
  }
  if (std::filesystem::is_directory(status)) {
    return InvalidArgument(name + " is a folder, expected an audio file");
  }
  auto source = std::make_unique<FileByteSource>();
  source->file_.rdbuf()->pubsetbuf(nullptr, 0);  // the decoders read in large pieces
  source->file_.open(path, std::ios::binary);
  if (!source->file_) return PermissionDenied("cannot read " + name + ": check its permissions");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return Unavailable("cannot read the size of " + name + ": " + error.message());
  source->size_ = static_cast<int64_t>(size);
  return std::unique_ptr<ByteSource>(std::move(source));
}

size_t FileByteSource::ReadAt(int64_t offset, std::span<std::byte> out) {
  if (offset < 0 || offset >= size_) return 0;
  if (offset != position_ || !file_) {
    file_.clear();
    file_.seekg(offset);
  }
  file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  const auto got = static_cast<size_t>(file_.gcount());
  position_ = offset + static_cast<int64_t>(got);
  return got;
}

size_t MemoryByteSource::ReadAt(int64_t offset, std::span<std::byte> out) {
  if (offset < 0 || offset >= size()) return 0;
  const size_t count = std::min(out.size(), bytes_.size() - static_cast<size_t>(offset));
  std::copy_n(bytes_.data() + offset, count, out.data());
  return count;
}

size_t SpillByteSource::ReadAt(int64_t offset, std::span<std::byte> out) {
  if (offset < 0 || offset >= size()) return 0;
  const size_t count = std::min(out.size(), static_cast<size_t>(size() - offset));
  return file_.ReadAt(offset, out.first(count)).ok() ? count : 0;
}

size_t ByteCursor::Read(void* out, size_t count) {
  const size_t got = source_.ReadAt(position_, {static_cast<std::byte*>(out), count});
  position_ += static_cast<int64_t>(got);
  return got;
}

bool ByteCursor::Seek(int64_t position) {
  if (position < 0 || position > size()) return false;
  position_ = position;
  return true;
}

}  // namespace tessera
