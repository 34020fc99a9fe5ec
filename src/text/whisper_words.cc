// How Whisper's tokens are grouped into words (split_to_word_tokens of openai-whisper).
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "text/utf8.h"
#include "text/whisper_tokenizer.h"

namespace tessera {
namespace {

// Written without spaces between words.
constexpr std::array<std::string_view, 6> kUnspacedLanguages = {"zh", "ja", "th",
                                                                "lo", "my", "yue"};

constexpr std::string_view kAsciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

}  // namespace

std::vector<WhisperWord> WhisperTokenizer::SplitOnCharacters(std::span<const int> ids) const {
  const std::u32string full = ToCodePoints(DecodeWithTimestamps(ids));
  std::vector<WhisperWord> words;
  std::vector<int> current;
  size_t offset = 0;  // code points of `full` before the current tokens
  for (const int id : ids) {
    current.push_back(id);
    const std::string decoded = DecodeWithTimestamps(current);
    const std::u32string points = ToCodePoints(decoded);
    const size_t incomplete = points.find(kReplacementCharacter);
    // A replacement character that the whole text also has there is the text itself, not a
    // character cut in two.
    const bool is_whole =
        incomplete == std::u32string::npos ||
        (offset + incomplete < full.size() && full[offset + incomplete] == kReplacementCharacter);
    if (!is_whole) continue;
    words.push_back({decoded, std::move(current)});
    current.clear();
    offset += points.size();
  }
  return words;
}

std::vector<WhisperWord> WhisperTokenizer::SplitOnSpaces(std::span<const int> ids) const {
  std::vector<WhisperWord> words;
  for (WhisperWord& part : SplitOnCharacters(ids)) {
    const bool is_special = part.tokens[0] >= eot();
    const bool has_space = part.text.starts_with(' ');
    // Python's `in`: any stretch of the punctuation string, the empty one too.
    const bool is_punctuation =
        kAsciiPunctuation.find(StripWhiteSpace(part.text)) != std::string_view::npos;
    if (is_special || has_space || is_punctuation || words.empty()) {
      words.push_back(std::move(part));
    } else {
      words.back().text += part.text;
      words.back().tokens.insert(words.back().tokens.end(), part.tokens.begin(), part.tokens.end());
    }
  }
  return words;
}

std::vector<WhisperWord> WhisperTokenizer::SplitToWordTokens(std::span<const int> ids,
                                                             std::string_view language_code) const {
  // An English-only tokenizer has no language.
  const bool is_unspaced =
      is_multilingual() &&
      std::ranges::find(kUnspacedLanguages, language_code) != kUnspacedLanguages.end();
  return is_unspaced ? SplitOnCharacters(ids) : SplitOnSpaces(ids);
}

}  // namespace tessera
