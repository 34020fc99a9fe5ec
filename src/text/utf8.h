// UTF-8: validation, decoding with replacement, code point counts.
//
// Invalid bytes are treated as Python's bytes.decode("utf-8", errors="replace") does (and the
// Unicode standard recommends): one U+FFFD for each maximal valid beginning of a sequence, or for
// each byte that can begin none. Overlong forms, surrogates and values above U+10FFFF are invalid.
// Pure functions, linear time; thread-safe.
#ifndef TESSERA_TEXT_UTF8_H_
#define TESSERA_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct DecodedCodePoint {
  char32_t value;  // kReplacementCharacter where !valid
  int length;      // bytes used, 1..4
  bool valid;
};

// Decodes the code point at the beginning of `text`, which must not be empty.
DecodedCodePoint DecodeCodePoint(std::string_view text);

// Appends `c`; a surrogate or a value above U+10FFFF is appended as U+FFFD.
void AppendUtf8(char32_t c, std::string* text);

bool IsValidUtf8(std::string_view text);

// The text with every invalid part replaced; a valid text comes back unchanged.
std::string ReplaceInvalidUtf8(std::string_view text);

// Python's len(str): code points, an invalid part counting as its replacement characters.
int64_t CountCodePoints(std::string_view text);

std::u32string ToCodePoints(std::string_view text);

// Python's str.strip(): without the white space (IsPythonSpace) at both ends.
std::string_view StripWhiteSpace(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_TEXT_UTF8_H_
