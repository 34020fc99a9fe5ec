// Whisper's tokenizer: text to token ids and back, the special tokens, and the splits that word
// timestamps need.
//
// Agrees with openai-whisper's tokenizer.py over tiktoken for every text and every id. Special
// tokens follow the ordinary ones in a fixed order: <|endoftext|>, <|startoftranscript|>, the
// languages, <|translate|>, <|transcribe|>, <|startoflm|>,
// <|startofprev|>, <|nospeech|>, <|notimestamps|>, then <|0.00|> to <|30.00|> in steps of 20 ms.
// Immutable; thread-safe. Movable.
#ifndef TESSERA_TEXT_WHISPER_TOKENIZER_H_
#define TESSERA_TEXT_WHISPER_TOKENIZER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/bpe.h"
#include "text/vocabulary.h"

namespace tessera {

enum class WhisperTask { kTranscribe, kTranslate };

// A word of SplitToWordTokens: its text, with the leading space if it has one, and its tokens.
struct WhisperWord {
  std::string text;
  std::vector<int> tokens;

  bool operator==(const WhisperWord&) const = default;
};

class WhisperTokenizer {
 public:
  static constexpr int kNumTimestamps = 1501;

  // From a model folder or a vocabulary file (text/vocabulary.h). `vocab_size` is the number of ids
  // that the model knows (51864, 51865, 51866), 0 for "as the file says". not_found, or data_loss
  // where file and size do not fit together.
  static Result<WhisperTokenizer> Load(const std::string& path, int64_t vocab_size = 0);
  static Result<WhisperTokenizer> FromVocabulary(Vocabulary vocabulary, int64_t vocab_size = 0);

  // Ids of the text. Special tokens written in the text are ordinary text here (openai-whisper
  // refuses such a text); invalid UTF-8 is replaced by U+FFFD.
  std::vector<int> Encode(std::string_view text) const { return bpe_.Encode(text); }
  // Text of the ids without timestamps; other special tokens appear by name. Invalid UTF-8 becomes
  // U+FFFD as Python's errors="replace" does it. Ids outside the vocabulary are skipped.
  std::string Decode(std::span<const int> ids) const;
  // The same with timestamps by name: "<|1.08|>".
  std::string DecodeWithTimestamps(std::span<const int> ids) const;
  // Bytes of one token, which need not be valid UTF-8; a special token's name; empty outside the
  // vocabulary.
  std::string TokenBytes(int id) const;

  int vocab_size() const { return timestamp_begin() + kNumTimestamps; }
  int num_languages() const { return num_languages_; }
  // openai-whisper's rule; an English-only model is given no language and no task.
  bool is_multilingual() const { return vocab_size() >= 51865; }

  int eot() const { return bpe_.size(); }
  int sot() const { return eot() + 1; }
  int language_begin() const { return sot() + 1; }
  int translate() const { return language_begin() + num_languages_; }
  int transcribe() const { return translate() + 1; }
  int sot_lm() const { return translate() + 2; }
  int sot_prev() const { return translate() + 3; }
  int no_speech() const { return translate() + 4; }
  int no_timestamps() const { return translate() + 5; }
  int timestamp_begin() const { return translate() + 6; }  // <|0.00|>

  // The token of a language code such as "en"; nothing where this vocabulary has none.
  std::optional<int> LanguageToken(std::string_view code) const;
  // The code of a language token; empty for any other id.
  std::string_view LanguageCode(int id) const;

  // <|startoftranscript|>, then language and task if the model is multilingual, then
  // <|notimestamps|> if asked for. invalid_argument when a multilingual model lacks the language;
  // it is ignored by an English-only model.
  Result<std::vector<int>> SotSequence(std::string_view language_code, WhisperTask task,
                                       bool no_timestamps) const;

  // Tokens that stand for no speech (brackets, notes, symbols), ascending: what suppress_tokens
  // "-1" means.
  const std::vector<int>& non_speech_tokens() const { return non_speech_tokens_; }

  // Groups tokens into words: at spaces, or, in zh ja th lo my yue, wherever the bytes make whole
  // characters. Tokens after the last whole character are dropped, as openai-whisper does.
  std::vector<WhisperWord> SplitToWordTokens(std::span<const int> ids,
                                             std::string_view language_code) const;

 private:
  WhisperTokenizer(BytePairEncoder bpe, int num_languages);
  std::vector<int> FindNonSpeechTokens() const;
  std::vector<WhisperWord> SplitOnCharacters(std::span<const int> ids) const;
  std::vector<WhisperWord> SplitOnSpaces(std::span<const int> ids) const;

  BytePairEncoder bpe_;
  int num_languages_;
  std::vector<int> non_speech_tokens_;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_WHISPER_TOKENIZER_H_
