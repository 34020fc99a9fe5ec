// What a device's compiler made of a model, kept in a folder between processes.
//
// NAME.blob holds the compiler's bytes, NAME.txt what they are and their checksum; a blob counts
// only when that text is, letter by letter, the one that belongs to the asked key and to the bytes
// that lie there. So a write that was cut off, two processes that wrote at once, a flipped bit or
// another version of the library all mean "nothing kept". Like every checksum here it finds damage,
// not malice (base/checksum.h): the folder belongs to the user. Thread-safe.
#ifndef TESSERA_PROVIDERS_OPENVINO_BLOB_STORE_H_
#define TESSERA_PROVIDERS_OPENVINO_BLOB_STORE_H_

#include <functional>
#include <memory>
#include <string>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera::openvino {

class BlobStore {
 public:
  // `key`: lines of text, everything that the blob depends on.
  BlobStore(std::string folder, std::string name, std::string key)
      : folder_(std::move(folder)), name_(std::move(name)), key_(std::move(key)) {}

  // kNotFound: nothing is kept for this key, or it is damaged.
  Result<std::shared_ptr<const MappedFile>> Load() const;
  // `write` makes a file at the path that it is given; it takes the place of what was kept.
  Status Save(const std::function<Status(const std::string& path)>& write) const;

 private:
  std::string Description(const MappedFile& blob) const;
  std::string Path(const char* ending) const;

  std::string folder_, name_, key_;
};

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_BLOB_STORE_H_
