#include "text/code_points.h"

#include <algorithm>
#include <map>

#include "text/utf8.h"

namespace tessera {

CodePointTable::CodePointTable() {
  std::vector<uint32_t> flags(0x110000);
  const auto mark = [&flags](const auto& ranges, uint32_t flag) {
    for (int i = 0; i < ranges.count; ++i) {
      for (char32_t c = ranges.ranges[i].first; c <= ranges.ranges[i].last; ++c) flags[c] |= flag;
    }
  };
  mark(kBertRemovedRanges, kRemovedByCleaning);
  mark(kBertSpaceRanges, kSpaceCharacter);
  mark(kBertPunctuationRanges, kPunctuationCharacter);
  mark(kBertChineseRanges, kChineseCharacter);
  mark(kNonspacingMarkRanges, kNonspacingMark);
  mark(kCombiningMarkRanges, kCombiningMark);
  mark(kWordCharacterRanges, kWordCharacter);
  mark(kCompositionExclusionRanges, kIsNeverComposed);
  mark(kGraphemeExtendRanges, kGraphemeExtend);
  mark(kGraphemeControlRanges, kGraphemeControl);
  mark(kGraphemePrependRanges, kGraphemePrepend);
  mark(kPictographRanges, kPictograph);
  mark(kConjunctConsonantRanges, kConjunctConsonant);
  mark(kConjunctLinkerRanges, kConjunctLinker);
  mark(kCombiningClasses, kHasCombiningClass);
  const auto mark_mapped = [&flags](const CodePointMapping& mapping, uint32_t flag) {
    for (int i = 0; i < mapping.count; ++i) flags[mapping.entries[i].code_point] |= flag;
  };
  mark_mapped(kLowercase, kHasLowercase);
  mark_mapped(kCanonicalDecomposition, kHasCanonicalDecomposition);
  mark_mapped(kCompatibilityDecomposition, kHasCompatibilityDecomposition);
  for (char32_t c = 0xAC00; c <= 0xD7A3; ++c) flags[c] |= kHasCanonicalDecomposition;

  // Most of the 4352 pages are equal to another one.
  std::map<Block, uint16_t> known;
  for (size_t page = 0; page < pages_.size(); ++page) {
    Block block;
    std::copy_n(flags.begin() + static_cast<ptrdiff_t>(page * 256), 256, block.begin());
    const auto [place, is_new] = known.emplace(block, static_cast<uint16_t>(blocks_.size()));
    if (is_new) blocks_.push_back(block);
    pages_[page] = place->second;
  }
}

const CodePointTable& CodePointTable::Get() {
  static const CodePointTable table;
  return table;
}

std::span<const char32_t> FindMapping(const CodePointMapping& mapping, char32_t c) {
  const MappingEntry* end = mapping.entries + mapping.count;
  const MappingEntry* found = std::lower_bound(
      mapping.entries, end, c,
      [](const MappingEntry& entry, char32_t value) { return entry.code_point < value; });
  if (found == end || found->code_point != c) return {};
  return {mapping.pool + found[0].begin, mapping.pool + found[1].begin};
}

size_t LastCharacterStart(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

size_t LeadingSpaceBytes(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const DecodedCodePoint decoded = DecodeCodePoint(text.substr(at));
    if (!(CodePointTable::Get().flags(decoded.value) & kSpaceCharacter)) break;
    at += static_cast<size_t>(decoded.length);
  }
  return at;
}

size_t TrailingSpaceBytes(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t last = LastCharacterStart(rest);
    const char32_t c = DecodeCodePoint(rest.substr(last)).value;
    if (!(CodePointTable::Get().flags(c) & kSpaceCharacter)) break;
    rest = rest.substr(0, last);
  }
  return text.size() - rest.size();
}

}  // namespace tessera
