// Unicode properties that the tokenizer and the writers need: letters, numbers, white space.
//
// The tables are those of the regular expression engine of tiktoken
// (tools/golden/text_unicode_tables.py), so a split agrees with openai-whisper's tokenizer for
// every code point. Pure functions; thread-safe. A value that is no code point has no property.
#ifndef TESSERA_TEXT_UNICODE_H_
#define TESSERA_TEXT_UNICODE_H_

#include <cstdint>

namespace tessera {

bool IsLetter(char32_t c);      // \p{L}
bool IsNumber(char32_t c);      // \p{N}
bool IsWhiteSpace(char32_t c);  // \s, the property White_Space
// str.isspace() of Python and \s of its `re`: White_Space and the four separators U+001C..U+001F.
bool IsPythonSpace(char32_t c);

// Ascending, disjoint, both ends included.
struct CodePointRange {
  char32_t first;
  char32_t last;
};
extern const CodePointRange kLetterRanges[];
extern const int kLetterRangeCount;
extern const CodePointRange kNumberRanges[];
extern const int kNumberRangeCount;
extern const CodePointRange kWhiteSpaceRanges[];
extern const int kWhiteSpaceRangeCount;

}  // namespace tessera

#endif  // TESSERA_TEXT_UNICODE_H_
