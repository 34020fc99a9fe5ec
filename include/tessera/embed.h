// Text to vectors: sentences in, embeddings out, as sentence-transformers' encode() gives them.
//
//   auto embedder = tessera::Embedder::Create({.model = "all-minilm-l6-v2"});
//   std::vector<std::string_view> texts = {"a cat sits on the mat", "eine Katze auf der Matte"};
//   auto result = embedder->Embed(texts);
//   result->vector(0);  // 384 floats of length 1
//
// What the model's own files say (pooling, normalisation, prompts, longest text) is the default;
// options replace it.
#ifndef TESSERA_EMBED_H_
#define TESSERA_EMBED_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/engine.h"
#include "tessera/status.h"

namespace tessera {

enum class EmbedPooling {
  kMean,  // of all tokens, special ones included, as sentence-transformers does it
  kCls,   // the first token
  kLast,  // the last token
};

// What a text is, for models that were trained with a prompt before it (E5: "query: ", "passage:
// "). Models without prompts take all three alike.
enum class EmbedKind { kPlain, kQuery, kPassage };

struct EmbedOptions {
  EmbedKind kind = EmbedKind::kPlain;
  // Put before every text instead of the model's own.
  std::optional<std::string> prompt = std::nullopt;
  std::optional<EmbedPooling> pooling = std::nullopt;
  std::optional<bool> normalize = std::nullopt;  // to length 1
  // The first so many components, scaled to length 1 again where the vectors are normalised
  // (Matryoshka); 0: all.
  int64_t dimensions = 0;
  // Longest text in tokens with the special ones; what is behind is left out. 0: the model's own
  // limit, which is also the highest value.
  int64_t max_tokens = 0;
};

struct Embeddings {
  int64_t dimensions = 0;
  std::vector<float> values;        // [texts, dimensions] row-major, in the order of the texts
  std::vector<int32_t> num_tokens;  // of each text as it was run
  std::vector<bool> truncated;      // texts that were longer than max_tokens

  std::span<const float> vector(size_t text) const {
    return std::span(values).subspan(text * dimensions, dimensions);
  }
};

struct EmbedderInfo {
  int64_t dimensions = 0;
  int64_t max_tokens = 0;
  EmbedPooling pooling = EmbedPooling::kMean;
  bool normalize = true;
  std::string query_prompt, passage_prompt;  // empty: none
};

// Thread-safe: calls of several threads at a time share batches. A text's vector has the same bits
// alone and in any company. Movable; copies are cheap.
//
// Errors: invalid_argument for options that the model cannot follow; a text is never refused
// (invalid UTF-8 becomes U+FFFD as in the tokenizers library, an empty text has its special tokens
// only). A stop request gives cancelled.
class Embedder {
 public:
  // An empty model name is kDefaultTextModel. invalid_argument for a model of another kind.
  static Result<Embedder> Create(const ModelOptions& options);
  static Result<Embedder> Create(const Model& model);

  const EmbedderInfo& info() const;
  const Model& model() const;
  // Any number of texts; they are sorted by length inside and packed without padding, and use all
  // threads of the model.
  Result<Embeddings> Embed(std::span<const std::string_view> texts,
                           const EmbedOptions& options = {}, std::stop_token stop = {}) const;
  // As the model would see the text, with its special tokens and cut at max_tokens.
  Result<std::vector<int32_t>> Tokenize(std::string_view text,
                                        const EmbedOptions& options = {}) const;

 private:
  struct Impl;
  explicit Embedder(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace tessera

#endif  // TESSERA_EMBED_H_
