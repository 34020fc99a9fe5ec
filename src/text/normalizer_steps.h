// The small normalizers of the `tokenizers` library that files of SentencePiece models name.
// Immutable; thread-safe. Linear time.
#ifndef TESSERA_TEXT_NORMALIZER_STEPS_H_
#define TESSERA_TEXT_NORMALIZER_STEPS_H_

#include <string>
#include <utility>

#include "tessera/status.h"
#include "text/normal_forms.h"
#include "text/normalizer.h"

namespace tessera {

class NormalFormNormalizer : public Normalizer {
 public:
  explicit NormalFormNormalizer(NormalForm form) : form_(form) {}
  void Normalize(TextPart, std::string* text) const override { *text = ToNormalForm(*text, form_); }
  size_t MaxGrowth() const override { return kMaxDecompositionGrowth; }

 private:
  NormalForm form_;
};

// Each character by itself.
class LowercaseNormalizer : public Normalizer {
 public:
  void Normalize(TextPart part, std::string* text) const override;
  size_t MaxGrowth() const override { return 2; }
};

// Without combining marks; composed characters keep theirs.
class StripAccentsNormalizer : public Normalizer {
 public:
  void Normalize(TextPart part, std::string* text) const override;
  size_t MaxGrowth() const override { return 1; }
};

// Without the white space at the ends of the whole text.
class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void Normalize(TextPart part, std::string* text) const override;
  size_t MaxGrowth() const override { return 1; }

 private:
  bool left_;
  bool right_;
};

// Before a text that is not empty.
class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string text) : text_(std::move(text)) {}
  void Normalize(TextPart part, std::string* text) const override {
    if (part.is_first && !text->empty()) text->insert(0, text_);
  }
  size_t MaxGrowth() const override { return 1; }

 private:
  std::string text_;
};

// Every occurrence of a text becomes another.
class ReplaceNormalizer : public Normalizer {
 public:
  // `pattern` is not empty.
  ReplaceNormalizer(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Normalize(TextPart part, std::string* text) const override;
  bool AllowsParts() const override { return pattern_.find(' ') == std::string::npos; }
  size_t MaxGrowth() const override { return content_.size() / pattern_.size() + 1; }

 private:
  std::string pattern_;
  std::string content_;
};

// Every longest run of at least so many of a character, or of any white space, becomes a text.
class ReplaceRunsNormalizer : public Normalizer {
 public:
  static constexpr char32_t kAnyWhiteSpace = 0x110000;

  // From a regular expression of one character, or \s, and a quantifier: " {2,}", "\s+".
  // unimplemented for any other.
  static Result<ReplaceRunsNormalizer> Create(const std::string& regex, std::string content);
  void Normalize(TextPart part, std::string* text) const override;
  // A part begins with a single space.
  bool AllowsParts() const override { return at_least_ > 1 || content_ == " "; }
  size_t MaxGrowth() const override { return content_.size() + 1; }

 private:
  ReplaceRunsNormalizer(char32_t character, size_t at_least, std::string content)
      : character_(character), at_least_(at_least), content_(std::move(content)) {}

  char32_t character_;
  size_t at_least_;
  std::string content_;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_NORMALIZER_STEPS_H_
