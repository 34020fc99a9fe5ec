// Properties of code points as the `tokenizers` library has them (text/tokenizer_tables.h), in one
// look-up. The table is built at the first use. Thread-safe.
#ifndef TESSERA_TEXT_CODE_POINTS_H_
#define TESSERA_TEXT_CODE_POINTS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer_tables.h"

namespace tessera {

enum CodePointFlags : uint32_t {
  kRemovedByCleaning = 1 << 0,  // control and format characters, U+FFFD, private use
  kSpaceCharacter = 1 << 1,
  kPunctuationCharacter = 1 << 2,  // ASCII symbols too
  kChineseCharacter = 1 << 3,
  kNonspacingMark = 1 << 4,
  kCombiningMark = 1 << 5,
  kWordCharacter = 1 << 6,
  kHasLowercase = 1 << 7,               // kLowercase maps it
  kHasCanonicalDecomposition = 1 << 8,  // kCanonicalDecomposition maps it, or a Hangul syllable
  kHasCompatibilityDecomposition = 1 << 9,
  kHasCombiningClass = 1 << 10,  // another one than 0
  kIsNeverComposed = 1 << 11,
  // Of grapheme clusters (UAX 29).
  kGraphemeExtend = 1 << 12,   // Extend, SpacingMark, ZWJ
  kGraphemeControl = 1 << 13,  // CR and LF too
  kGraphemePrepend = 1 << 14,
  kPictograph = 1 << 15,
  kConjunctConsonant = 1 << 16,
  kConjunctLinker = 1 << 17,
};

class CodePointTable {
 public:
  static const CodePointTable& Get();

  // 0 for what is no code point.
  uint32_t flags(char32_t c) const {
    return c < 0x110000 ? blocks_[pages_[c >> 8]][c & 0xFF] : uint32_t{0};
  }

 private:
  CodePointTable();
  using Block = std::array<uint32_t, 256>;
  std::vector<Block> blocks_;
  std::array<uint16_t, 0x1100> pages_;
};

// The mapping of a code point that has one; empty where it has none.
std::span<const char32_t> FindMapping(const CodePointMapping& mapping, char32_t c);

// Of valid UTF-8. Where the last character begins; `text` is not empty.
size_t LastCharacterStart(std::string_view text);
// Bytes of white space (kSpaceCharacter) at either end.
size_t LeadingSpaceBytes(std::string_view text);
size_t TrailingSpaceBytes(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_TEXT_CODE_POINTS_H_
