// The first step of a text encoder's tokenizer: changes of the text, as the normalizers of the
// `tokenizers` library make them.
//
// A text comes in valid UTF-8 and leaves so. It may come in several parts that are cut between a
// letter or digit of ASCII and a single space, unless a normalizer says no. Immutable; thread-safe.
#ifndef TESSERA_TEXT_NORMALIZER_H_
#define TESSERA_TEXT_NORMALIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

// Which ends of the text a part has.
struct TextPart {
  bool is_first = true;
  bool is_last = true;
};

// U+FDFA in NFKD; no canonical decomposition and no lower case is worse.
inline constexpr size_t kMaxDecompositionGrowth = 12;

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Replaces *text by its normalized form. Linear time.
  virtual void Normalize(TextPart part, std::string* text) const = 0;
  // Whether parts of a text may come one by one.
  virtual bool AllowsParts() const { return true; }
  // Bytes of the normalized text for a byte of the text, at most; what comes once is not counted.
  virtual size_t MaxGrowth() const = 0;
};

// One after another.
class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<const Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void Normalize(TextPart part, std::string* text) const override {
    for (const auto& step : steps_) step->Normalize(part, text);
  }
  bool AllowsParts() const override {
    for (const auto& step : steps_) {
      if (!step->AllowsParts()) return false;
    }
    return true;
  }
  size_t MaxGrowth() const override {
    size_t growth = 1;
    for (const auto& step : steps_) {
      const size_t factor = step->MaxGrowth();
      if (factor > SIZE_MAX / growth) return SIZE_MAX;
      growth *= factor;
    }
    return growth;
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> steps_;
};

struct BertNormalizerOptions {
  bool clean_text = true;            // no control characters, every white space becomes a space
  bool handle_chinese_chars = true;  // spaces around CJK ideographs
  bool strip_accents = true;         // canonical decomposition without nonspacing marks
  bool lowercase = true;             // each character by itself
};

// In the order of the options.
class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options);
  void Normalize(TextPart part, std::string* text) const override;
  size_t MaxGrowth() const override { return kMaxDecompositionGrowth; }

 private:
  BertNormalizerOptions options_;
  // What an ASCII character becomes.
  char ascii_[128];
  bool is_removed_[128];
};

}  // namespace tessera

#endif  // TESSERA_TEXT_NORMALIZER_H_
