// A loaded text encoder: tokenizer, settings and the compiled graph, shared by sessions.
//
//   auto encoder = TextEncoder::Load(folder, provider, {});
//   auto session = (*encoder)->NewSession({.threads = 1});
//   auto text = (*encoder)->tokenizer().Encode("a cat", (*encoder)->settings().max_tokens);
//   std::vector<int32_t> offsets = {0, int32_t(text.ids.size())};
//   std::vector<float> hidden(text.ids.size() * (*encoder)->width());
//   (*session)->Run(text.ids, offsets, hidden, stop);
#ifndef TESSERA_MODELS_BERT_MODEL_H_
#define TESSERA_MODELS_BERT_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "models/bert/settings.h"
#include "providers/execution_provider.h"
#include "text/text_tokenizer.h"

namespace tessera {

struct TextEncoderLoadOptions {
  kernels::Precision precision = kernels::Precision::kF32;
};

struct TextEncoderSessionOptions {
  // 0: the provider's own threads, on which the runs of all such sessions take turns: the shortest
  // time for one text. n: a team of its own; sessions of one thread side by side share nothing and
  // wait for nobody, which is the fastest for many texts.
  int threads = 0;
};

class TextEncoderSession;

// Const after load, thread-safe.
class TextEncoder : public std::enable_shared_from_this<TextEncoder> {
 public:
  // Tokens of one Run, of all its texts together; no text is longer.
  static constexpr int64_t kMaxTokens = 4096;
  // What a device that is not yet trusted is tried with.
  static const char* ProbeText();

  // `path`: a folder of load.h with a tokenizer (text_tokenizer.h), or one with model.onnx (also
  // onnx/model.onnx) and no safetensors. Errors as LoadBertSafetensors, LoadTextTokenizer and
  // ReadTextEncoderSettings.
  static Result<std::shared_ptr<const TextEncoder>> Load(
      const std::string& path, std::shared_ptr<const ExecutionProvider> provider,
      const TextEncoderLoadOptions& options);

  const TextTokenizer& tokenizer() const { return *tokenizer_; }
  const TextEncoderSettings& settings() const { return settings_; }
  int64_t width() const { return width_; }
  const std::string& format() const { return format_; }  // of the files: "safetensors", "onnx"
  kernels::Precision precision() const { return options_.precision; }
  size_t weight_bytes() const { return program_->weight_bytes(); }
  const Graph& graph() const { return graph_; }

  // A session keeps the model alive. kInvalidArgument: threads below 0 or above the provider's.
  Result<std::unique_ptr<TextEncoderSession>> NewSession(
      const TextEncoderSessionOptions& options) const;

 private:
  friend class TextEncoderSession;
  TextEncoder() = default;

  std::unique_ptr<const TextTokenizer> tokenizer_;
  TextEncoderSettings settings_;
  int64_t width_ = 0;
  int64_t position_offset_ = 0;
  std::string format_;
  TextEncoderLoadOptions options_;
  std::shared_ptr<const ExecutionProvider> provider_;
  Graph graph_;
  std::unique_ptr<Program> program_;
};

// What one run needs besides the model. One thread at a time; several sessions may run at once.
class TextEncoderSession {
 public:
  // `ids`: the tokens of all texts, at most kMaxTokens and at least one; text s has those of
  // [offsets[s], offsets[s + 1]), at least one and at most settings().max_tokens; offsets begin
  // with 0 and end with ids.size(). hidden[ids.size(), width]: filled. A text's rows have the same
  // bits alone and in any company. kInvalidArgument otherwise; kCancelled when `stop` is requested.
  Status Run(std::span<const int32_t> ids, std::span<const int32_t> offsets,
             std::span<float> hidden, std::stop_token stop = {});

  const TextEncoder& encoder() const { return *encoder_; }

 private:
  friend class TextEncoder;
  TextEncoderSession(std::shared_ptr<const TextEncoder> encoder,
                     std::unique_ptr<ExecutionContext> context)
      : encoder_(std::move(encoder)), context_(std::move(context)) {}

  const std::shared_ptr<const TextEncoder> encoder_;
  std::unique_ptr<ExecutionContext> context_;
  std::vector<int32_t> positions_;
};

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_MODEL_H_
