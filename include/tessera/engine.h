// Model: weights loaded once, shared by everything that runs them.
#ifndef TESSERA_ENGINE_H_
#define TESSERA_ENGINE_H_

#include <memory>
#include <string>

#include "tessera/status.h"

namespace tessera {

// Arithmetic of the large layers. kF32 gives the text of openai-whisper and the vectors of
// sentence-transformers; the others are faster, and differ where two tokens are about equally
// probable and in the vectors' last digits.
enum class Precision {
  kAuto,  // the fastest whose accuracy the project vouches for on this CPU
  kF32,
  kBF16,
  kInt8,
};

struct ModelOptions {
  // A name that `tessera models list` shows, or the path of a model file or folder. Empty: the
  // task's own, "whisper-base" to transcribe and "all-minilm-l6-v2" to embed.
  std::string model;
  Precision precision = Precision::kAuto;
  int threads = 0;              // 0: one for each physical core that this process may use
  std::string device = "auto";  // "auto", "cpu", "npu" or a provider's name
};

// A loaded model. Immutable and thread-safe; copies are cheap and share the weights.
class Model {
 public:
  // not_found: no such name or path; data_loss: broken files; unavailable: the device cannot be
  // used; invalid_argument: an option is out of range; unimplemented: a kind of model that Tessera
  // does not know. An empty name is "whisper-base".
  static Result<Model> Load(const ModelOptions& options);

  const std::string& path() const;    // where the weights were found
  bool is_multilingual() const;       // of a Whisper model; false: English only, or another model
  Precision precision() const;        // what kAuto became
  const std::string& device() const;  // what "auto" became

  struct Impl;  // of the library
  const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tessera

#endif  // TESSERA_ENGINE_H_
