// Readers of the files in which byte-level vocabularies come: token bytes by id, and where the
// special tokens are.
//
// Formats: tokenizer.json of Hugging Face, vocab.json of Hugging Face (an object of ids),
// vocabulary.json of CTranslate2 (a list), vocabulary.txt of CTranslate2 (a token a line),
// *.tiktoken of openai-whisper (base64 and rank a line). All but the last spell bytes as GPT-2's
// printable characters. Merges are not needed: the ids of these vocabularies are the merge ranks.
//
// The input may be hostile: at most kMaxVocabularyTokens ids are kept, a parse takes linear time,
// and every defect is a data_loss with the reason. Pure functions; thread-safe.
#ifndef TESSERA_TEXT_VOCABULARY_H_
#define TESSERA_TEXT_VOCABULARY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

inline constexpr int64_t kMaxVocabularyTokens = 1 << 20;

struct Vocabulary {
  std::vector<std::string> tokens;  // raw bytes of the ordinary tokens, ids 0.. up to <|endoftext|>
  std::map<std::string, int, std::less<>>
      specials;  // "<|endoftext|>" and those after it that the file names
};

// Any of the three JSON forms, told apart by their structure.
Result<Vocabulary> ParseVocabularyJson(std::string_view json);
Result<Vocabulary> ParseVocabularyText(std::string_view text);
Result<Vocabulary> ParseTiktoken(std::string_view text);

// Raw bytes by id (whisper.cpp's ggml files keep them so). The ordinary tokens end at
// <|endoftext|>, else at the end.
Vocabulary VocabularyFromBytes(std::vector<std::string> tokens);

// Reads `path`, a file (by its name's ending: .json, .txt, .tiktoken) or a folder, in which the
// first found of vocabulary.json, vocabulary.txt, tokenizer.json, vocab.json,
// multilingual.tiktoken, gpt2.tiktoken is taken. not_found when there is none.
Result<Vocabulary> LoadVocabulary(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_TEXT_VOCABULARY_H_
