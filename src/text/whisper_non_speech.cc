// The tokens of speaker tags, sound descriptions and other annotations, which Whisper's decoding
// suppresses by default.
#include <set>
#include <string>
#include <string_view>

#include "text/whisper_tokenizer.h"

namespace tessera {
namespace {

// Suppressed where they are a single token.
constexpr std::string_view kSymbols[] = {
    "\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",  ">",
    "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",  "「",
    "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[", "('",
    "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪"};

// Their first token is suppressed even where they take several: in UTF-8 the symbols U+2640 to
// U+267F share two bytes, and none of them is speech.
constexpr std::string_view kMiscellaneous[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

}  // namespace

std::vector<int> WhisperTokenizer::FindNonSpeechTokens() const {
  // A hyphen or a quote may stand inside a word, not at its beginning.
  std::set<int> found = {Encode(" -")[0], Encode(" '")[0]};
  for (const std::string_view symbol : kSymbols) {
    for (const std::string& text : {std::string(symbol), " " + std::string(symbol)}) {
      const std::vector<int> ids = Encode(text);
      if (ids.size() == 1) found.insert(ids[0]);
    }
  }
  for (const std::string_view symbol : kMiscellaneous) {
    found.insert(Encode(symbol)[0]);
    found.insert(Encode(" " + std::string(symbol))[0]);
  }
  return {found.begin(), found.end()};
}

}  // namespace tessera
