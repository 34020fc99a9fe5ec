// A loaded Whisper: its three stages compiled for a provider, shared by sessions. Const after load,
// thread-safe.
#ifndef TESSERA_MODELS_WHISPER_MODEL_H_
#define TESSERA_MODELS_WHISPER_MODEL_H_

#include <functional>
#include <memory>
#include <string>

#include "models/whisper/session.h"
#include "providers/execution_provider.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

struct WhisperLoadOptions {
  kernels::Precision precision = kernels::Precision::kF32;
};

struct WhisperSessionOptions {
  int max_windows = 1;  // windows encoded at a time, 1..kMaxWindows
  int max_rows = 5;     // decoder rows (beams, samples), 1..kMaxRows
  // More than one: Encode may run beside Decode. What runs alone has the provider's threads; beside
  // others encoder 0 and the decoder share `narrow_threads`, every further encoder has one thread.
  int num_encoders = 1;
  int narrow_threads = 1;
};

class WhisperModel : public std::enable_shared_from_this<WhisperModel> {
 public:
  static constexpr int kMaxWindows = 256;
  static constexpr int kMaxRows = 256;

  // `path`: a folder or file of load.h. The provider compiles all stages.
  static Result<std::shared_ptr<const WhisperModel>> Load(
      const std::string& path, std::shared_ptr<const ExecutionProvider> provider,
      const WhisperLoadOptions& options);

  const WhisperConfig& config() const { return config_; }
  const WhisperTokenizer& tokenizer() const { return tokenizer_; }
  const std::string& format() const { return format_; }  // of the files: "ctranslate2", ...
  kernels::Precision precision() const { return options_.precision; }
  size_t weight_bytes() const;
  const Graph& encoder_graph() const { return encoder_graph_; }
  const Graph& cross_kv_graph() const { return cross_kv_graph_; }
  const Graph& decoder_graph() const { return decoder_graph_; }

  // A session keeps the model alive.
  Result<std::unique_ptr<WhisperSession>> NewSession(const WhisperSessionOptions& options) const;

 private:
  friend class ProgramSession;
  WhisperModel(WhisperConfig config, WhisperTokenizer tokenizer)
      : config_(std::move(config)), tokenizer_(std::move(tokenizer)) {}
  CompileOptions StageOptions(int64_t windows, int64_t rows) const;

  WhisperConfig config_;
  WhisperTokenizer tokenizer_;
  std::string format_;
  WhisperLoadOptions options_;
  std::shared_ptr<const ExecutionProvider> provider_;
  Graph encoder_graph_, cross_kv_graph_, decoder_graph_;
  std::unique_ptr<Program> encoder_, cross_kv_, decoder_;
  View token_embedding_;                 // as the file has it
  std::function<void()> release_pages_;  // of the model's file; embedding rows bring them back
};

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_MODEL_H_
