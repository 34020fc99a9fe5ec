#include "text/word_piece.h"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

bool HasMoreCharacters(std::string_view text, int64_t limit) {
  if (static_cast<int64_t>(text.size()) <= limit) return false;
  int64_t count = 0;
  for (const char c : text) {
    const bool is_first_byte = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (is_first_byte && ++count > limit) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<const WordPiece>> WordPiece::Create(
    const std::vector<VocabularyToken>& tokens, const WordPieceOptions& options) {
  std::unique_ptr<WordPiece> model(new WordPiece());
  std::vector<std::pair<std::string_view, int32_t>> words;
  std::vector<std::pair<std::string_view, int32_t>> continuations;
  words.reserve(tokens.size());
  for (const VocabularyToken& token : tokens) {
    if (token.id < 0) return DataLoss("token \"" + token.text + "\" has a negative id");
    if (token.text.size() > kMaxTokenBytes) {
      return DataLoss("token " + std::to_string(token.id) + " has " +
                      std::to_string(token.text.size()) + " bytes, expected at most " +
                      std::to_string(kMaxTokenBytes));
    }
    const std::string_view text = token.text;
    if (!text.empty()) words.emplace_back(text, token.id);
    if (text.size() > options.continuing_prefix.size() &&
        text.starts_with(options.continuing_prefix))
      continuations.emplace_back(text.substr(options.continuing_prefix.size()), token.id);
    model->vocab_size_ = std::max(model->vocab_size_, int64_t{token.id} + 1);
  }
  model->words_ = ByteTrie::Build(words);
  model->continuations_ = ByteTrie::Build(continuations);
  model->unknown_ = model->words_.Find(options.unknown_token);
  if (model->unknown_ == ByteTrie::kNoValue) {
    return DataLoss("the unknown token \"" + options.unknown_token +
                    "\" is not in the vocabulary of " + std::to_string(tokens.size()) + " tokens");
  }
  model->max_characters_ = options.max_characters_per_word;
  return std::unique_ptr<const WordPiece>(std::move(model));
}

void WordPiece::Tokenize(std::string_view piece, size_t, std::vector<int32_t>* ids) const {
  const size_t size_before = ids->size();
  if (!HasMoreCharacters(piece, max_characters_)) {
    ByteTrie::Match match = words_.LongestPrefix(piece);
    while (match.length > 0) {
      ids->push_back(match.value);
      piece.remove_prefix(match.length);
      if (piece.empty()) return;
      match = continuations_.LongestPrefix(piece);
    }
    ids->resize(size_before);
  }
  ids->push_back(unknown_);
}

}  // namespace tessera
