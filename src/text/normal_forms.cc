#include "text/normal_forms.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/code_points.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// Hangul syllables are composed of a leading consonant, a vowel and perhaps a trailing consonant by
// arithmetic (The Unicode Standard, 3.12).
constexpr char32_t kSyllable = 0xAC00, kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kVowels = 21, kTrailings = 28, kSyllables = 19 * kVowels * kTrailings;

uint8_t CombiningClass(char32_t c) {
  const CombiningClassRange* begin = kCombiningClasses.ranges;
  const CombiningClassRange* end = begin + kCombiningClasses.count;
  const CombiningClassRange* after = std::upper_bound(
      begin, end, c,
      [](char32_t value, const CombiningClassRange& range) { return value < range.first; });
  return after != begin && c <= after[-1].last ? after[-1].combining_class : uint8_t{0};
}

bool IsStarter(char32_t c) { return !(CodePointTable::Get().flags(c) & kHasCombiningClass); }

// Pairs of code points that are one composed character. A full decomposition is that of the first
// of the pair and then the second.
class Compositions {
 public:
  static const Compositions& Get() {
    static const Compositions compositions;
    return compositions;
  }

  // The composed character, or 0.
  char32_t Find(char32_t first, char32_t second) const {
    const auto found = pairs_.find(Key(first, second));
    return found == pairs_.end() ? U'\0' : found->second;
  }

 private:
  Compositions() {
    std::unordered_map<std::u32string_view, char32_t, Hash> by_decomposition;
    for (int i = 0; i < kCanonicalDecomposition.count; ++i) {
      const char32_t c = kCanonicalDecomposition.entries[i].code_point;
      if (!IsExcluded(c)) by_decomposition.emplace(Decomposition(i), c);
    }
    for (const auto& [decomposition, c] : by_decomposition) {
      const std::u32string_view beginning = decomposition.substr(0, decomposition.size() - 1);
      char32_t first = beginning[0];
      if (beginning.size() > 1) {
        const auto found = by_decomposition.find(beginning);
        if (found == by_decomposition.end()) continue;
        first = found->second;
      }
      pairs_.emplace(Key(first, decomposition.back()), c);
    }
  }

  struct Hash {
    size_t operator()(std::u32string_view text) const {
      return std::hash<std::u32string_view>()(text);
    }
  };
  static bool IsExcluded(char32_t c) { return CodePointTable::Get().flags(c) & kIsNeverComposed; }
  static std::u32string_view Decomposition(int i) {
    const MappingEntry* entry = kCanonicalDecomposition.entries + i;
    return {kCanonicalDecomposition.pool + entry[0].begin, entry[1].begin - entry[0].begin};
  }
  static uint64_t Key(char32_t first, char32_t second) {
    return uint64_t{first} << 32 | uint64_t{second};
  }

  std::unordered_map<uint64_t, char32_t> pairs_;
};

// The composed character of a pair, or 0.
char32_t Compose(char32_t first, char32_t second) {
  if (first - kLeading < 19 && second - kVowel < kVowels)
    return kSyllable + ((first - kLeading) * kVowels + (second - kVowel)) * kTrailings;
  const bool is_open_syllable =
      first - kSyllable < kSyllables && (first - kSyllable) % kTrailings == 0;
  if (is_open_syllable && second - kTrailing - 1 < kTrailings - 1)
    return first + (second - kTrailing);
  // No character of the second place is below the combining marks.
  return second < 0x300 ? U'\0' : Compositions::Get().Find(first, second);
}

void ComposeInPlace(std::u32string* text) {
  std::u32string& s = *text;
  size_t starter = std::u32string::npos;
  uint8_t last_class = 0;  // of the character before, as far as it stayed after the starter
  size_t write = 0;
  for (const char32_t c : s) {
    const uint8_t combining_class = IsStarter(c) ? uint8_t{0} : CombiningClass(c);
    const bool is_adjacent = starter != std::u32string::npos && write == starter + 1;
    const bool is_blocked = !is_adjacent && last_class >= combining_class;
    if (starter != std::u32string::npos && !is_blocked) {
      if (const char32_t composed = Compose(s[starter], c)) {
        s[starter] = composed;
        continue;
      }
    }
    if (combining_class == 0) starter = write;
    last_class = combining_class;
    s[write++] = c;
  }
  s.resize(write);
}

}  // namespace

std::span<const char32_t> CanonicalDecomposition(char32_t c, DecompositionBuffer* buffer) {
  if (c - kSyllable < kSyllables) {
    const char32_t index = c - kSyllable;
    (*buffer)[0] = kLeading + index / (kVowels * kTrailings);
    (*buffer)[1] = kVowel + index / kTrailings % kVowels;
    (*buffer)[2] = kTrailing + index % kTrailings;
    return {buffer->data(), index % kTrailings == 0 ? size_t{2} : size_t{3}};
  }
  const std::span<const char32_t> mapped = FindMapping(kCanonicalDecomposition, c);
  if (!mapped.empty()) return mapped;
  (*buffer)[0] = c;
  return {buffer->data(), 1};
}

void SortMarks(std::u32string& marks) {
  if (marks.size() < 2) return;
  // A code point has 21 bits; the place before it keeps the order of equal classes.
  std::vector<uint64_t> keys(marks.size());
  for (size_t i = 0; i < marks.size(); ++i)
    keys[i] = uint64_t{CombiningClass(marks[i])} << 56 | uint64_t{i} << 21 | uint64_t{marks[i]};
  std::sort(keys.begin(), keys.end());
  for (size_t i = 0; i < marks.size(); ++i) marks[i] = keys[i] & 0x1FFFFF;
}

std::string ToNormalForm(std::string_view text, NormalForm form) {
  const bool is_ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  if (is_ascii) return std::string(text);
  const CodePointTable& table = CodePointTable::Get();
  const bool is_compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::u32string decomposed;
  std::u32string marks;
  const auto flush = [&decomposed, &marks] {
    SortMarks(marks);
    decomposed += marks;
    marks.clear();
  };
  const auto take = [&](char32_t c) {
    if (table.flags(c) & kHasCombiningClass) {
      marks.push_back(c);
    } else {
      flush();
      decomposed.push_back(c);
    }
  };
  for (size_t at = 0; at < text.size();) {
    const DecodedCodePoint decoded = DecodeCodePoint(text.substr(at));
    at += static_cast<size_t>(decoded.length);
    const char32_t c = decoded.value;
    const uint32_t flags = table.flags(c);
    if (is_compatible && (flags & kHasCompatibilityDecomposition)) {
      for (const char32_t part : FindMapping(kCompatibilityDecomposition, c)) take(part);
    } else if (flags & kHasCanonicalDecomposition) {
      DecompositionBuffer buffer;
      for (const char32_t part : CanonicalDecomposition(c, &buffer)) take(part);
    } else {
      take(c);
    }
  }
  flush();
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) ComposeInPlace(&decomposed);
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : decomposed) AppendUtf8(c, &out);
  return out;
}

}  // namespace tessera
