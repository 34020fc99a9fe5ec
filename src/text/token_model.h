// The third step of a text encoder's tokenizer: a piece of text as ids of the vocabulary.
#ifndef TESSERA_TEXT_TOKEN_MODEL_H_
#define TESSERA_TEXT_TOKEN_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Longer tokens are refused: the limit bounds the time of a look-up. Real ones have below 256
// bytes.
inline constexpr size_t kMaxTokenBytes = 1024;

// A token of a vocabulary file.
struct VocabularyToken {
  std::string text;
  int32_t id = 0;
  double score = 0;  // of a unigram model
};

// Immutable; thread-safe.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the ids of `piece` (valid UTF-8, not empty). Once *ids has more than `limit` of them it
  // may stop early; the first `limit` are the right ones.
  virtual void Tokenize(std::string_view piece, size_t limit, std::vector<int32_t>* ids) const = 0;
  // The id of exactly this token, or -1.
  virtual int32_t Find(std::string_view token) const = 0;
  // Ids of the model are below.
  virtual int64_t vocab_size() const = 0;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_TOKEN_MODEL_H_
