// WordPiece: a word is cut into the longest tokens from its beginning on; all but the first begin
// with a prefix ("##") in the vocabulary. A word with a part that is in no token, or with too many
// characters, is the unknown token.
#ifndef TESSERA_TEXT_WORD_PIECE_H_
#define TESSERA_TEXT_WORD_PIECE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/byte_trie.h"
#include "text/token_model.h"

namespace tessera {

struct WordPieceOptions {
  std::string unknown_token = "[UNK]";
  std::string continuing_prefix = "##";
  int64_t max_characters_per_word = 100;
};

class WordPiece : public TokenModel {
 public:
  // Of equal tokens the last counts. data_loss when the unknown token is not among them, an id is
  // negative or a token longer than kMaxTokenBytes.
  static Result<std::unique_ptr<const WordPiece>> Create(const std::vector<VocabularyToken>& tokens,
                                                         const WordPieceOptions& options);

  void Tokenize(std::string_view piece, size_t limit, std::vector<int32_t>* ids) const override;
  int32_t Find(std::string_view token) const override { return words_.Find(token); }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  WordPiece() = default;

  ByteTrie words_;          // all tokens
  ByteTrie continuations_;  // those with the prefix, without it
  int32_t unknown_ = 0;
  int64_t max_characters_ = 0;
  int64_t vocab_size_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_WORD_PIECE_H_
