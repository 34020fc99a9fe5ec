// A text encoder's tokenizer: text to token ids, exactly as the Hugging Face `tokenizers` library
// gives them for the same files.
//
// Which algorithm it is (WordPiece, SentencePiece unigram) is said by the model's files. Immutable;
// thread-safe.
#ifndef TESSERA_TEXT_TEXT_TOKENIZER_H_
#define TESSERA_TEXT_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct TokenizedText {
  std::vector<int32_t> ids;  // special tokens included
  bool truncated = false;
};

class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;

  // The ids of one text with the special tokens around it, at most `max_tokens` of them (at least
  // num_special_tokens()): what is behind is cut, the special tokens stay. Invalid UTF-8 is
  // replaced by U+FFFD first. Time is linear in the length of the text and ends soon after
  // max_tokens were found.
  virtual TokenizedText Encode(std::string_view text, int64_t max_tokens) const = 0;

  virtual int64_t vocab_size() const = 0;          // ids are in [0, vocab_size)
  virtual int64_t num_special_tokens() const = 0;  // that Encode adds
};

// From the text of the files; `tokenizer_config` may be empty. data_loss and unimplemented as
// below.
Result<std::unique_ptr<const TextTokenizer>> ParseTextTokenizer(std::string_view tokenizer_json);
Result<std::unique_ptr<const TextTokenizer>> ParseVocabTxt(std::string_view vocab_txt,
                                                           std::string_view tokenizer_config);

// From a model folder: tokenizer.json where there is one, else vocab.txt (WordPiece, with
// tokenizer_config.json's do_lower_case, strip_accents and tokenize_chinese_chars where it is
// there). Truncation and padding of tokenizer.json are ignored: max_tokens decides. not_found:
// neither file; data_loss: a broken one; unimplemented: names the part (normalizer, model, ...)
// that no model of the family uses.
Result<std::unique_ptr<const TextTokenizer>> LoadTextTokenizer(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_TEXT_TEXT_TOKENIZER_H_
