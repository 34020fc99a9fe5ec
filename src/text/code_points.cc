#include "text/code_points.h"

#include <algorithm>
#include <map>

namespace tessera {

CodePointTable::CodePointTable() {
  std::vector<uint16_t> flags(0x110000);
  const auto mark = [&flags](const auto& ranges, uint16_t flag) {
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
  mark(kCombiningClasses, kHasCombiningClass);
  const auto mark_mapped = [&flags](const CodePointMapping& mapping, uint16_t flag) {
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

}  // namespace tessera
