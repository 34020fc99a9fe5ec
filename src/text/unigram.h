// The unigram model of SentencePiece: of all ways to cut a piece of text into tokens the one whose
// scores have the highest sum.
//
// As the `tokenizers` library finds it, to the last bit of the sums: a character that is no token
// counts as the unknown token with a score ten below the lowest of the vocabulary, neighbouring
// unknown tokens are one, and with byte_fallback they become their bytes where the vocabulary has
// tokens for all of these.
#ifndef TESSERA_TEXT_UNIGRAM_H_
#define TESSERA_TEXT_UNIGRAM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/byte_trie.h"
#include "text/token_model.h"

namespace tessera {

// Immutable; thread-safe.
class Unigram : public TokenModel {
 public:
  // The id of a token is its place in `tokens`; of equal ones the last counts. data_loss when
  // `unknown_id` is not among them or a token longer than kMaxTokenBytes.
  static Result<std::unique_ptr<const Unigram>> Create(const std::vector<VocabularyToken>& tokens,
                                                       int64_t unknown_id, bool byte_fallback);

  // Linear time. Memory for the part of the piece on whose cut a later character can have an
  // influence, which is some tokens long as a rule.
  void Tokenize(std::string_view piece, size_t limit, std::vector<int32_t>* ids) const override;
  int32_t Find(std::string_view token) const override { return trie_.Find(token); }
  int64_t vocab_size() const override { return static_cast<int64_t>(scores_.size()); }

 private:
  Unigram() = default;

  class Path;
  // The best cut of the text up to a place.
  struct Node {
    double score;
    uint32_t length;  // of the last token, 0 where no token ends here
    int32_t id;
  };
  // Nodes of places [from, to) of `text`, and those where their tokens end; nodes[0] is place
  // `base`.
  void Extend(std::string_view text, size_t base, size_t from, size_t to, Node* nodes) const;
  // The last place through which all ways go that lead to a place at or behind `done`.
  static size_t FindSettled(const std::vector<Node>& nodes, size_t done);
  void AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const;

  ByteTrie trie_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unknown_ = 0;
  size_t longest_ = 0;  // bytes
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_{};  // kNoValue where there is none
};

}  // namespace tessera

#endif  // TESSERA_TEXT_UNIGRAM_H_
