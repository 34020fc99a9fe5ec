// Tokens that are found in a text before anything else cuts it, such as "[MASK]".
#ifndef TESSERA_TEXT_ADDED_TOKENS_H_
#define TESSERA_TEXT_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"

namespace tessera {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool is_special = false;
  bool is_normalized = true;    // looked for in the normalized text, and itself normalized for that
  bool is_single_word = false;  // only where no word character is beside it
  bool takes_space_left = false;   // with the white space before it
  bool takes_space_right = false;  // with the white space behind it
};

// Finds the longest of its tokens, from left to right. Immutable; thread-safe. Movable.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  // Contents of at most kMaxTokenBytes (text/token_model.h); empty ones are never found. Of equal
  // ones the first counts.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Cuts `text` (valid UTF-8) into what is between the tokens and the tokens, in order: `part` is
  // called with an id of -1 for what is between, which is never empty, and ends the search by
  // false. Returns false then. Time is linear in the text times the longest token at worst.
  bool Split(std::string_view text,
             const std::function<bool(std::string_view part, int32_t id)>& part) const;

 private:
  size_t FindStart(std::string_view text, size_t from) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // to indices of tokens_
  std::array<bool, 256> is_first_byte_{};
  int only_first_byte_ = -1;  // where all tokens begin with the same
};

}  // namespace tessera

#endif  // TESSERA_TEXT_ADDED_TOKENS_H_
