// What the `tokenizers` library takes each code point for: data behind text/code_points.h and
// text/normal_forms.h.
//
// tokenizer_tables.cc is generated (tools/golden/text_tokenizer_tables.py) by asking the library
// about every code point. Its crates are of several versions of Unicode, so the categories here
// need not agree with those of text/unicode.h.
#ifndef TESSERA_TEXT_TOKENIZER_TABLES_H_
#define TESSERA_TEXT_TOKENIZER_TABLES_H_

#include <cstdint>

#include "text/unicode.h"

namespace tessera {

struct CodePointRanges {
  const CodePointRange* ranges;  // ascending, disjoint
  int count;
};
extern const CodePointRanges kBertRemovedRanges;
extern const CodePointRanges kBertSpaceRanges;
extern const CodePointRanges kBertPunctuationRanges;
extern const CodePointRanges kBertChineseRanges;
extern const CodePointRanges kNonspacingMarkRanges;
extern const CodePointRanges kCombiningMarkRanges;
extern const CodePointRanges kWordCharacterRanges;
extern const CodePointRanges kCompositionExclusionRanges;
extern const CodePointRanges kGraphemeExtendRanges;
extern const CodePointRanges kGraphemeControlRanges;
extern const CodePointRanges kGraphemePrependRanges;
extern const CodePointRanges kPictographRanges;
extern const CodePointRanges kConjunctConsonantRanges;
extern const CodePointRanges kConjunctLinkerRanges;

struct CombiningClassRange {
  char32_t first;
  char32_t last;
  uint8_t combining_class;
};
struct CombiningClassRanges {
  const CombiningClassRange* ranges;  // ascending, disjoint
  int count;
};
extern const CombiningClassRanges kCombiningClasses;

// entries[i].code_point becomes pool[entries[i].begin .. entries[i + 1].begin); there is one entry
// more than count.
struct MappingEntry {
  char32_t code_point;
  uint32_t begin;
};
struct CodePointMapping {
  const MappingEntry* entries;  // ascending
  int count;
  const char32_t* pool;
};
extern const CodePointMapping kLowercase;
extern const CodePointMapping kCanonicalDecomposition;
extern const CodePointMapping kCompatibilityDecomposition;

}  // namespace tessera

#endif  // TESSERA_TEXT_TOKENIZER_TABLES_H_
