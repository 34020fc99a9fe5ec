#include "text/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/code_points.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// Cuts `piece` where the kind of character changes; `kind_of` gives 0 for what is dropped.
template <typename KindOf>
bool SplitByKind(TextPiece piece, KindOf kind_of, PieceSink* sink) {
  const std::string_view text = piece.text;
  size_t begin = 0;
  int kind = 0;  // of text[begin .. at)
  const auto emit = [&](size_t end) {
    return kind == 0 ||
           sink->Take({text.substr(begin, end - begin), piece.is_at_start && begin == 0});
  };
  for (size_t at = 0; at < text.size();) {
    const DecodedCodePoint decoded = DecodeCodePoint(text.substr(at));
    const int next = kind_of(decoded.value);
    if (next != kind) {
      if (!emit(at)) return false;
      begin = at;
      kind = next;
    }
    at += static_cast<size_t>(decoded.length);
  }
  return emit(text.size());
}

// Hands the pieces of one step to the steps after it.
class Chain : public PieceSink {
 public:
  Chain(const std::unique_ptr<const PreTokenizer>* next, size_t count, PieceSink* last)
      : next_(next), count_(count), last_(last) {}

  bool Take(TextPiece piece) override {
    if (count_ == 0) return last_->Take(piece);
    Chain rest(next_ + 1, count_ - 1, last_);
    return next_[0]->Split(piece, &rest);
  }

 private:
  const std::unique_ptr<const PreTokenizer>* next_;
  size_t count_;
  PieceSink* last_;
};

}  // namespace

BertPreTokenizer::BertPreTokenizer() {
  for (char32_t c = 0; c < 128; ++c) {
    const uint32_t flags = CodePointTable::Get().flags(c);
    ascii_[c] = flags & kSpaceCharacter         ? kSpace
                : flags & kPunctuationCharacter ? kPunctuation
                                                : kLetter;
  }
}

bool BertPreTokenizer::Split(TextPiece piece, PieceSink* sink) const {
  const CodePointTable& table = CodePointTable::Get();
  const std::string_view text = piece.text;
  size_t begin = 0;  // of a word that ends at `at`
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    size_t length = 1;
    Kind kind = kLetter;
    if (byte < 0x80) {
      kind = ascii_[byte];
    } else {
      const DecodedCodePoint decoded = DecodeCodePoint(text.substr(at));
      length = static_cast<size_t>(decoded.length);
      const uint32_t flags = table.flags(decoded.value);
      if (flags & (kSpaceCharacter | kPunctuationCharacter))
        kind = flags & kSpaceCharacter ? kSpace : kPunctuation;
    }
    if (kind != kLetter) {
      if (at > begin &&
          !sink->Take({text.substr(begin, at - begin), piece.is_at_start && begin == 0}))
        return false;
      if (kind == kPunctuation &&
          !sink->Take({text.substr(at, length), piece.is_at_start && at == 0}))
        return false;
      begin = at + length;
    }
    at += length;
  }
  return begin == text.size() || sink->Take({text.substr(begin), piece.is_at_start && begin == 0});
}

bool WhitespaceSplit::Split(TextPiece piece, PieceSink* sink) const {
  return SplitByKind(piece, [](char32_t c) { return IsWhiteSpace(c) ? 0 : 1; }, sink);
}

bool WhitespacePreTokenizer::Split(TextPiece piece, PieceSink* sink) const {
  return SplitByKind(
      piece,
      [](char32_t c) {
        if (CodePointTable::Get().flags(c) & kWordCharacter) return 1;
        return IsWhiteSpace(c) ? 0 : 2;
      },
      sink);
}

Metaspace::Metaspace(std::string replacement, Prepend prepend, bool is_split)
    : replacement_(std::move(replacement)), prepend_(prepend), is_split_(is_split) {}

bool Metaspace::Split(TextPiece piece, PieceSink* sink) const {
  std::string text;
  text.reserve(piece.text.size() + piece.text.size() / 4 + replacement_.size());
  const bool has_one = piece.text[0] == ' ' || piece.text.starts_with(replacement_);
  if (!has_one &&
      (prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.is_at_start)))
    text += replacement_;
  for (const char c : piece.text) {
    if (c == ' ')
      text += replacement_;
    else
      text += c;
  }
  if (!is_split_) return sink->Take({text, piece.is_at_start});
  const std::string_view all = text;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find(replacement_, begin + 1), all.size());
    if (!sink->Take({all.substr(begin, end - begin), piece.is_at_start && begin == 0}))
      return false;
    begin = end;
  }
  return true;
}

PreTokenizerSequence::PreTokenizerSequence(std::vector<std::unique_ptr<const PreTokenizer>> steps)
    : steps_(std::move(steps)) {}

bool PreTokenizerSequence::Split(TextPiece piece, PieceSink* sink) const {
  return Chain(steps_.data(), steps_.size(), sink).Take(piece);
}

}  // namespace tessera
