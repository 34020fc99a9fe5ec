// The second step of a text encoder's tokenizer: the normalized text in pieces, as the
// pre-tokenizers of the `tokenizers` library cut it. Immutable; thread-safe.
#ifndef TESSERA_TEXT_PRE_TOKENIZER_H_
#define TESSERA_TEXT_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// A piece of text, not empty, in valid UTF-8.
struct TextPiece {
  std::string_view text;
  bool is_at_start = false;  // of the whole text, before anything was cut
};

class PieceSink {
 public:
  virtual ~PieceSink() = default;
  // False when no more is wanted. The text need not outlive the call.
  virtual bool Take(TextPiece piece) = 0;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Passes the pieces of `piece` on in order; false when the sink wanted no more. Linear time.
  virtual bool Split(TextPiece piece, PieceSink* sink) const = 0;
  // Whether no piece goes on over a space.
  virtual bool CutsAtSpaces() const { return true; }
};

// At white space, which is dropped, and around every punctuation character.
class BertPreTokenizer : public PreTokenizer {
 public:
  BertPreTokenizer();
  bool Split(TextPiece piece, PieceSink* sink) const override;

 private:
  enum Kind : char { kLetter, kSpace, kPunctuation };
  Kind ascii_[128];
};

// At white space, which is dropped.
class WhitespaceSplit : public PreTokenizer {
 public:
  bool Split(TextPiece piece, PieceSink* sink) const override;
};

// Runs of word characters, and of what is neither these nor white space.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  bool Split(TextPiece piece, PieceSink* sink) const override;
};

// Spaces become the replacement character, one is put before the text where it has none, and the
// text is cut before every one of them.
class Metaspace : public PreTokenizer {
 public:
  enum class Prepend { kNever, kFirst, kAlways };  // kFirst: only at the start of the whole text
  Metaspace(std::string replacement, Prepend prepend, bool is_split);
  bool Split(TextPiece piece, PieceSink* sink) const override;
  bool CutsAtSpaces() const override { return is_split_; }

 private:
  std::string replacement_;  // one character
  Prepend prepend_;
  bool is_split_;
};

// Each cuts the pieces of the one before.
class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<const PreTokenizer>> steps);
  bool Split(TextPiece piece, PieceSink* sink) const override;
  bool CutsAtSpaces() const override { return !steps_.empty() && steps_[0]->CutsAtSpaces(); }

 private:
  std::vector<std::unique_ptr<const PreTokenizer>> steps_;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_PRE_TOKENIZER_H_
