// Collects (id, token) pairs in any order and makes a Vocabulary of them: shared by the readers of
// text/vocabulary.h.
#ifndef TESSERA_TEXT_VOCABULARY_ENTRIES_H_
#define TESSERA_TEXT_VOCABULARY_ENTRIES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/vocabulary.h"

namespace tessera {

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

class VocabularyEntries {
 public:
  // data_loss when the id is negative, too large, or already has another token.
  Status Add(int64_t id, std::string token);

  // Both want ids without a gap up to <|endoftext|> (or the end) and at least one token.
  Result<Vocabulary> FromBytes() &&;
  // The tokens spell their bytes as GPT-2's printable characters; specials are plain text.
  Result<Vocabulary> FromPrintable() &&;

 private:
  struct Entry {
    std::string token;
    bool is_set = false;
  };
  std::vector<Entry> entries_;
};

// The same for a vocabulary whose tokens are still spelt so.
Result<Vocabulary> DecodePrintable(Vocabulary vocabulary);

}  // namespace tessera

#endif  // TESSERA_TEXT_VOCABULARY_ENTRIES_H_
