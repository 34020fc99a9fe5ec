// The normal forms of Unicode (UAX 15), by the data of the `tokenizers` library
// (text/tokenizer_tables.h). Pure functions; thread-safe.
#ifndef TESSERA_TEXT_NORMAL_FORMS_H_
#define TESSERA_TEXT_NORMAL_FORMS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` (valid UTF-8) in that form. Time O(n log n) in the length of a run of combining marks,
// else linear.
std::string ToNormalForm(std::string_view text, NormalForm form);

// Room for the decomposition of a Hangul syllable, which is computed.
using DecompositionBuffer = std::array<char32_t, 3>;
// The full canonical decomposition of `c`, itself where it has none.
std::span<const char32_t> CanonicalDecomposition(char32_t c, DecompositionBuffer* buffer);

// Canonical order of a run of characters that have a combining class; equal classes stay in order.
void SortMarks(std::u32string& marks);

}  // namespace tessera

#endif  // TESSERA_TEXT_NORMAL_FORMS_H_
