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

// The models that tasks take by default.
inline constexpr const char* kDefaultSpeechModel = "whisper-base";
inline constexpr const char* kDefaultTextModel = "all-minilm-l6-v2";

struct ModelOptions {
  // A name that `tessera models list` shows, or the path of a model file or folder. Empty: the
  // task's own, kDefaultSpeechModel to transcribe and kDefaultTextModel to embed.
  std::string model;
  Precision precision = Precision::kAuto;
  int threads = 0;  // 0: one for each physical core that this process may use
  // "auto": each stage of the model on an NPU where there is one that computes it rightly and
  // faster than the CPU, else on the CPU. "npu": the same, but there must be an NPU, and speed does
  // not count. "cpu". A name of FindProviders (devices.h), such as "onnxruntime:qnn": this one,
  // which must be there, and the CPU for stages that it cannot run.
  std::string device = "auto";
  // Every stage on an NPU that is no emulator, or unavailable; also later, when the device fails.
  bool require_npu = false;
};

// A loaded model. Immutable and thread-safe; copies are cheap and share the weights.
class Model {
 public:
  // not_found: no such name or path; data_loss: broken files; unavailable: the device cannot be
  // used; invalid_argument: an option is out of range; unimplemented: a kind of model that Tessera
  // does not know. An empty name is kDefaultSpeechModel.
  static Result<Model> Load(const ModelOptions& options);

  const std::string& path() const;  // where the weights were found
  bool is_multilingual() const;     // of a Whisper model; false: English only, or another model
  Precision precision() const;      // what kAuto became
  // The providers that run the stages now: "cpu", "onnxruntime:qnn+cpu".
  std::string device() const;
  // Which provider runs which stage, how much of it, and why not another, as the providers' own
  // records have it; changes when a device fails. A line for people, and a JSON object
  // (docs/devices.md).
  std::string placement() const;
  std::string placement_json() const;

  struct Impl;  // of the library
  const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tessera

#endif  // TESSERA_ENGINE_H_
