#include "providers/openvino/blob_store.h"

#include <cstdio>
#include <random>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/checksum.h"
#include "base/file.h"

namespace tessera::openvino {
namespace {

constexpr uint64_t kMaxDescription = 64 << 10;

// A file name that no other writer uses.
std::string Unique() {
  std::random_device random;
  char text[40];
  std::snprintf(text, sizeof(text), ".%08x%08x.tmp", random(), random());
  return text;
}

}  // namespace

std::string BlobStore::Path(const char* ending) const { return JoinPath(folder_, name_ + ending); }

std::string BlobStore::Description(const MappedFile& blob) const {
  char end[96];
  std::snprintf(end, sizeof(end), "bytes %llu\nchecksum %016llx\n",
                static_cast<unsigned long long>(blob.bytes().size()),
                static_cast<unsigned long long>(Checksum64(blob.bytes())));
  return "tessera blob 1\n" + key_ + "\n" + end;
}

Result<std::shared_ptr<const MappedFile>> BlobStore::Load() const {
  TESSERA_ASSIGN_OR_RETURN(const std::string kept, ReadFile(Path(".txt"), kMaxDescription));
  // The key first: hashing what belongs to another one would be for nothing.
  if (!kept.starts_with("tessera blob 1\n" + key_ + "\n")) {
    return NotFound(Path(".txt") + ": kept for another model, version or option");
  }
  TESSERA_ASSIGN_OR_RETURN(auto blob, MappedFile::Open(Path(".blob")));
  if (Description(*blob) != kept) return NotFound(Path(".blob") + ": damaged");
  return blob;
}

Status BlobStore::Save(const std::function<Status(const std::string& path)>& write) const {
  TESSERA_RETURN_IF_ERROR(MakeFolders(folder_));
  const std::string temporary = Path(Unique().c_str());
  const auto finish = [&]() -> Status {
    TESSERA_RETURN_IF_ERROR(write(temporary));
    TESSERA_ASSIGN_OR_RETURN(const auto blob, MappedFile::Open(temporary));
    const std::string description = Description(*blob);
    TESSERA_RETURN_IF_ERROR(RenameFile(temporary, Path(".blob")));
    return WriteFileAtomically(Path(".txt"), description);
  };
  const Status status = finish();
  if (!status.ok()) (void)RemoveFile(temporary);
  return status;
}

}  // namespace tessera::openvino
