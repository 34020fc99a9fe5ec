// A small ZIP reader: enough for Python wheels (stored and deflated members, no encryption, no
// zip64, one disk).
//
// Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.4. Hostile archives are bounded: sizes come from
// the central directory and must agree with the local header, compressed ranges may not overlap, a
// member never gives more than its declared size.
#ifndef TESSERA_FORMATS_ZIP_H_
#define TESSERA_FORMATS_ZIP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

struct ZipMember {
  std::string name;  // relative, with '/', without "." or ".." components; a folder ends with '/'
  uint64_t size = 0;
  uint64_t compressed_size = 0;
  uint32_t crc32 = 0;
  uint16_t method = 0;  // 0 stored, 8 deflated
  uint64_t offset = 0;  // of the compressed bytes in the file
};

// Immutable; thread-safe.
class ZipArchive {
 public:
  // kDataLoss for a broken archive, one with unsafe or repeated names; kUnimplemented for zip64,
  // encryption, other methods.
  static Result<ZipArchive> Open(const std::string& path);
  static Result<ZipArchive> Read(Bytes bytes, std::shared_ptr<const void> owner);

  const std::vector<ZipMember>& members() const { return members_; }  // in order of the directory
  const ZipMember* Find(std::string_view name) const;                 // null when absent

  // Gives the content to `sink` in pieces; an error of `sink` ends it. At the end size and CRC are
  // checked: what `sink` got counts only when this returns ok.
  Status Extract(const ZipMember& member, const std::function<Status(Bytes)>& sink) const;

 private:
  Bytes bytes_;
  std::shared_ptr<const void> owner_;
  std::vector<ZipMember> members_;
};

}  // namespace tessera

#endif  // TESSERA_FORMATS_ZIP_H_
