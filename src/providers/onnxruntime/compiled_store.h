// Models as a provider compiled them, kept in a folder: the cache between starts, and what
// `tessera compile` makes for another machine.
//
// FOLDER/manifest.json says for each stage what was compiled, by which versions with which options,
// where its nodes went, and size and SHA-256 of every file; FOLDER/STAGE-HASH/ holds the files.
// Nothing is used that does not agree with the manifest, letter by letter. A write that was cut off
// leaves the old manifest. Thread-safe; of two processes that write one folder the later one wins.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_COMPILED_STORE_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_COMPILED_STORE_H_

#include <functional>
#include <string>
#include <vector>

#include "providers/onnxruntime/compile_worker.h"

namespace tessera {

// What a compiled model depends on.
struct CompiledKey {
  std::string stage;
  std::string model_sha256;  // Sha256OfOnnx of what was compiled
  std::string ep;
  std::string versions;  // of ONNX Runtime, the provider and the vendor's SDK
  OrtOptions options;    // of the provider, without paths
};

struct CompiledModel {
  std::string path;        // of the compiled model, an ONNX file
  CompileOutcome outcome;  // as it was compiled
  std::string versions;
};

// Of an ONNX file and its external data together.
Result<std::string> Sha256OfOnnx(const std::string& path);

class CompiledStore {
 public:
  explicit CompiledStore(std::string folder) : folder_(std::move(folder)) {}

  // kNotFound when nothing is kept for the key, or it is damaged (the message says which and what
  // there is). With `any_version` the versions and options may be others: for models that were
  // compiled elsewhere, whose fitness the provider judges.
  Result<CompiledModel> Find(const CompiledKey& key, bool any_version = false) const;
  // `compile(path)` writes a compiled model to `path`, with what belongs to it in the same folder.
  // Kept in place of what the key had; what it answers is kept with it and returned. Nothing is
  // kept when its status is an error. kUnavailable while another thread or process makes the same.
  Result<CompiledModel> Make(
      const CompiledKey& key,
      const std::function<CompileOutcome(const std::string& path)>& compile) const;

 private:
  std::string folder_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_COMPILED_STORE_H_
