#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/code_points.h"
#include "text/utf8.h"

namespace tessera {
namespace {

bool IsWordCharacter(char32_t c) { return CodePointTable::Get().flags(c) & kWordCharacter; }

bool EndsWithWord(std::string_view text) {
  return !text.empty() &&
         IsWordCharacter(DecodeCodePoint(text.substr(LastCharacterStart(text))).value);
}

bool StartsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeCodePoint(text).value);
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::vector<std::pair<std::string_view, int32_t>> entries;
  // The trie keeps the last of equal strings.
  for (size_t i = tokens_.size(); i-- > 0;) {
    entries.emplace_back(tokens_[i].content, static_cast<int32_t>(i));
    is_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
  trie_ = ByteTrie::Build(entries);
  if (std::count(is_first_byte_.begin(), is_first_byte_.end(), true) == 1)
    only_first_byte_ = static_cast<unsigned char>(tokens_[0].content[0]);
}

size_t AddedTokenFinder::FindStart(std::string_view text, size_t from) const {
  if (only_first_byte_ >= 0)
    return std::min(text.find(static_cast<char>(only_first_byte_), from), text.size());
  while (from < text.size() && !is_first_byte_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

bool AddedTokenFinder::Split(
    std::string_view text,
    const std::function<bool(std::string_view part, int32_t id)>& part) const {
  if (tokens_.empty()) return text.empty() || part(text, -1);
  size_t done = 0;  // text before it has been passed on
  for (size_t at = FindStart(text, 0); at < text.size();) {
    const ByteTrie::Match match = trie_.LongestPrefix(text.substr(at));
    if (match.length == 0) {
      at = FindStart(text, at + 1);
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(match.value)];
    size_t begin = at;
    size_t end = at + match.length;
    at = FindStart(text, end);
    if (token.is_single_word &&
        (EndsWithWord(text.substr(0, begin)) || StartsWithWord(text.substr(end))))
      continue;
    if (token.takes_space_left && begin > done)
      begin -= TrailingSpaceBytes(text.substr(done, begin - done));
    if (token.takes_space_right) end += LeadingSpaceBytes(text.substr(end));
    if (begin > done && !part(text.substr(done, begin - done), -1)) return false;
    if (!part(text.substr(begin, end - begin), token.id)) return false;
    done = std::max(done, end);
  }
  return done == text.size() || part(text.substr(done), -1);
}

}  // namespace tessera
