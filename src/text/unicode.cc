#include "text/unicode.h"

#include <algorithm>

namespace tessera {
namespace {

bool Contains(const CodePointRange* ranges, int count, char32_t c) {
  const CodePointRange* after = std::upper_bound(
      ranges, ranges + count, c,
      [](char32_t value, const CodePointRange& range) { return value < range.first; });
  return after != ranges && c <= after[-1].last;
}

}  // namespace

bool IsLetter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return Contains(kLetterRanges, kLetterRangeCount, c);
}

bool IsNumber(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return Contains(kNumberRanges, kNumberRangeCount, c);
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return Contains(kWhiteSpaceRanges, kWhiteSpaceRangeCount, c);
}

bool IsPythonSpace(char32_t c) { return (c >= 0x1C && c <= 0x1F) || IsWhiteSpace(c); }

}  // namespace tessera
