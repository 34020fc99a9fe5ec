#include "text/code_points.h"
#include "text/precompiled_charsmap.h"
#include "text/utf8.h"

namespace tessera {
namespace {

constexpr char32_t kZeroWidthJoiner = 0x200D;

enum class Hangul { kNone, kLeading, kVowel, kTrailing, kOpenSyllable, kClosedSyllable };

Hangul HangulKind(char32_t c) {
  if (c < 0x1100 || c > 0xD7FB) return Hangul::kNone;
  if (c <= 0x115F || (c >= 0xA960 && c <= 0xA97C)) return Hangul::kLeading;
  if (c <= 0x11A7 || (c >= 0xD7B0 && c <= 0xD7C6)) return Hangul::kVowel;
  if (c <= 0x11FF || c >= 0xD7CB) return Hangul::kTrailing;
  if (c < 0xAC00 || c > 0xD7A3) return Hangul::kNone;
  return (c - 0xAC00) % 28 == 0 ? Hangul::kOpenSyllable : Hangul::kClosedSyllable;
}

bool IsOneSyllable(Hangul before, Hangul after) {
  switch (before) {
    case Hangul::kLeading:
      return after != Hangul::kNone && after != Hangul::kTrailing;
    case Hangul::kVowel:
    case Hangul::kOpenSyllable:
      return after == Hangul::kVowel || after == Hangul::kTrailing;
    case Hangul::kTrailing:
    case Hangul::kClosedSyllable:
      return after == Hangul::kTrailing;
    case Hangul::kNone:
      return false;
  }
  return false;
}

}  // namespace

size_t FirstGraphemeLength(std::string_view text) {
  const CodePointTable& table = CodePointTable::Get();
  DecodedCodePoint decoded = DecodeCodePoint(text);
  size_t length = static_cast<size_t>(decoded.length);
  char32_t before = decoded.value;
  uint32_t before_flags = table.flags(before);
  bool follows_pictograph = before_flags & kPictograph;  // and marks behind it
  bool follows_consonant = before_flags & kConjunctConsonant;
  bool has_linker = false;  // since the consonant
  while (length < text.size()) {
    decoded = DecodeCodePoint(text.substr(length));
    const char32_t c = decoded.value;
    const uint32_t flags = table.flags(c);
    const bool is_line_end = before == '\r' && c == '\n';
    if ((before_flags | flags) & kGraphemeControl) {
      if (!is_line_end) break;
    } else if (flags & kGraphemeExtend) {
      if (flags & kConjunctLinker) has_linker = true;
    } else {
      const bool joins =
          (before_flags & kGraphemePrepend) || IsOneSyllable(HangulKind(before), HangulKind(c)) ||
          (follows_pictograph && before == kZeroWidthJoiner && (flags & kPictograph)) ||
          (follows_consonant && has_linker && (flags & kConjunctConsonant));
      if (!joins) break;
      follows_pictograph = flags & kPictograph;
      follows_consonant = flags & kConjunctConsonant;
      has_linker = false;
    }
    before = c;
    before_flags = flags;
    length += static_cast<size_t>(decoded.length);
  }
  return length;
}

}  // namespace tessera
