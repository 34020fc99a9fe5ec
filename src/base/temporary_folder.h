// A folder of our own under $TMPDIR (else the system's folder for temporary files), readable for us
// alone, that goes with the object, whatever was put into it.
#ifndef TESSERA_BASE_TEMPORARY_FOLDER_H_
#define TESSERA_BASE_TEMPORARY_FOLDER_H_

#include <string>
#include <utility>

#include "tessera/status.h"

namespace tessera {

class TemporaryFolder {
 public:
  static Result<TemporaryFolder> Create();
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace tessera

#endif  // TESSERA_BASE_TEMPORARY_FOLDER_H_
