// Hostile vocabulary files: every reader, then a tokenizer made of what it accepts, with which a
// text is encoded and decoded.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/bpe.h"
#include "text/utf8.h"
#include "text/vocabulary.h"
#include "text/whisper_tokenizer.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Bytes that a vocabulary lacks are appended, so that mutated files reach the encoder too.
void Exercise(tessera::Vocabulary vocabulary, std::string_view text) {
  for (int byte = 0; byte < 256; ++byte) vocabulary.tokens.emplace_back(1, static_cast<char>(byte));
  const auto tokenizer = tessera::WhisperTokenizer::FromVocabulary(std::move(vocabulary));
  if (!tokenizer.ok()) return;
  const std::vector<int> ids = tokenizer->Encode(text);
  Require(tokenizer->Decode(ids) == tessera::ReplaceInvalidUtf8(text));
  for (const char* language : {"en", "ja"}) {
    for (const tessera::WhisperWord& word : tokenizer->SplitToWordTokens(ids, language))
      Require(!word.tokens.empty());
  }
  Require(!tokenizer->non_speech_tokens().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view file = input.substr(1);
  auto vocabulary = data[0] % 3 == 0   ? tessera::ParseVocabularyJson(file)
                    : data[0] % 3 == 1 ? tessera::ParseVocabularyText(file)
                                       : tessera::ParseTiktoken(file);
  if (vocabulary.ok()) Exercise(std::move(vocabulary).value(), file.substr(0, 400));
  return 0;
}
