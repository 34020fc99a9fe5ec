// The normalizer "Precompiled" of SentencePiece models: a table of texts and what they become,
// looked up for each grapheme cluster.
//
// As the `tokenizers` library does it: a cluster of less than six bytes of which a beginning is in
// the table becomes what the shortest such beginning is mapped to, as a whole; else each of its
// characters is looked up by itself. Immutable; thread-safe.
#ifndef TESSERA_TEXT_PRECOMPILED_CHARSMAP_H_
#define TESSERA_TEXT_PRECOMPILED_CHARSMAP_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/normalizer.h"

namespace tessera {

class PrecompiledCharsmap : public Normalizer {
 public:
  // `charsmap`: u32 length of the double array in bytes, the array (Darts-clone, u32 each, little
  // endian), then the mapped texts, each with a zero behind it. data_loss when the lengths do not
  // fit or the texts are not valid UTF-8.
  static Result<std::unique_ptr<const Normalizer>> Create(std::string_view charsmap);

  void Normalize(TextPart part, std::string* text) const override;
  size_t MaxGrowth() const override { return longest_text_ + 1; }

 private:
  PrecompiledCharsmap() = default;
  // What the shortest beginning of `key` that is in the table is mapped to.
  std::optional<std::string_view> Find(std::string_view key) const;
  void AppendMapped(std::string_view character, std::string* out) const;

  std::vector<uint32_t> units_;
  std::string texts_;
  size_t longest_text_ = 0;
  // What an ASCII character becomes when it is a cluster.
  std::array<std::string, 128> ascii_;
};

// Bytes of the grapheme cluster at the beginning of `text` (valid UTF-8, not empty), by the
// extended rules of UAX 29 without those for regional indicators: a pair of these counts as two.
size_t FirstGraphemeLength(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_TEXT_PRECOMPILED_CHARSMAP_H_
