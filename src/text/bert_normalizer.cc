#include <algorithm>
#include <utility>
#include <vector>

#include "text/code_points.h"
#include "text/normal_forms.h"
#include "text/normalizer.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// Takes code points one by one and appends what is left of them. Marks wait until the next
// character without a combining class, to be put into canonical order.
class BertWriter {
 public:
  BertWriter(const BertNormalizerOptions& options, std::string* out)
      : options_(options), out_(*out) {}

  void Take(char32_t c) {
    const uint32_t flags = table_.flags(c);
    if (options_.clean_text) {
      if (flags & kRemovedByCleaning) return;
      if (flags & kSpaceCharacter) c = ' ';
    }
    if (options_.handle_chinese_chars && (flags & kChineseCharacter)) {
      Decompose(' ');
      Decompose(c);
      Decompose(' ');
    } else {
      Decompose(c);
    }
  }

  void Flush() {
    if (marks_.empty()) return;
    SortMarks(marks_);
    for (const char32_t mark : marks_) Lowercase(mark);
    marks_.clear();
  }

 private:
  void Decompose(char32_t c) {
    if (!options_.strip_accents) return Lowercase(c);
    if (table_.flags(c) & kHasCanonicalDecomposition) {
      DecompositionBuffer buffer;
      for (const char32_t part : CanonicalDecomposition(c, &buffer)) Strip(part);
    } else {
      Strip(c);
    }
  }

  void Strip(char32_t c) {
    const uint32_t flags = table_.flags(c);
    if (flags & kNonspacingMark) return;
    if (flags & kHasCombiningClass) {
      marks_.push_back(c);
      return;
    }
    Flush();
    Lowercase(c);
  }

  void Lowercase(char32_t c) {
    if (options_.lowercase && (table_.flags(c) & kHasLowercase)) {
      for (const char32_t lower : FindMapping(kLowercase, c)) AppendUtf8(lower, &out_);
    } else {
      AppendUtf8(c, &out_);
    }
  }

  const CodePointTable& table_ = CodePointTable::Get();
  const BertNormalizerOptions& options_;
  std::string& out_;
  std::u32string marks_;
};

}  // namespace

BertNormalizer::BertNormalizer(const BertNormalizerOptions& options) : options_(options) {
  for (char32_t c = 0; c < 128; ++c) {
    std::string text;
    BertWriter writer(options_, &text);
    writer.Take(c);
    is_removed_[c] = text.empty();
    ascii_[c] = text.empty() ? '\0' : text[0];
  }
}

void BertNormalizer::Normalize(TextPart, std::string* text) const {
  std::string out;
  out.reserve(text->size() + text->size() / 8 + 16);
  BertWriter writer(options_, &out);
  const char* at = text->data();
  const char* const end = at + text->size();
  while (at < end) {
    if (static_cast<unsigned char>(*at) < 0x80) {
      writer.Flush();
      const char* run = at + 1;
      while (run < end && static_cast<unsigned char>(*run) < 0x80) ++run;
      const size_t begin = out.size();
      out.resize(begin + static_cast<size_t>(run - at));
      char* write = out.data() + begin;
      for (; at < run; ++at) {
        const auto c = static_cast<unsigned char>(*at);
        *write = ascii_[c];
        write += is_removed_[c] ? 0 : 1;
      }
      out.resize(static_cast<size_t>(write - out.data()));
      continue;
    }
    const DecodedCodePoint decoded =
        DecodeCodePoint(std::string_view(at, static_cast<size_t>(end - at)));
    writer.Take(decoded.value);
    at += decoded.length;
  }
  writer.Flush();
  *text = std::move(out);
}

}  // namespace tessera
