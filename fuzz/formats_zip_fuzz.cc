// Any bytes as a ZIP archive: an error, or members that give at most their declared size.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "formats/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  const auto archive = ZipArchive::Read({data, size}, nullptr);
  if (!archive.ok()) return 0;
  for (const ZipMember& member : archive->members()) {
    uint64_t total = 0;
    const Status status = archive->Extract(member, [&total](Bytes bytes) {
      total += bytes.size();
      return OkStatus();
    });
    TESSERA_CHECK(total <= member.size && (!status.ok() || total == member.size));
  }
  return 0;
}
