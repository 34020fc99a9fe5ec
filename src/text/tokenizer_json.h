// tokenizer.json of the `tokenizers` library, as far as it is JSON: its structure without the
// vocabulary, and the vocabulary, which may have a million entries, as a plain list.
//
// The input may be hostile: depth and number of tokens are limited, a parse takes linear time.
#ifndef TESSERA_TEXT_TOKENIZER_JSON_H_
#define TESSERA_TEXT_TOKENIZER_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"
#include "text/token_model.h"

namespace tessera {

struct TokenizerJson {
  nlohmann::json root;  // an object; .model.vocab and .model.merges are left out
  // .model.vocab: an object of ids, or a list of [token, score], whose ids are the places in it.
  std::vector<VocabularyToken> vocabulary;
  bool vocabulary_is_list = false;
};

// data_loss with the place of the defect.
Result<TokenizerJson> ParseTokenizerJson(std::string_view json);

// A number in JSON's notation as the library's JSON reader (serde_json) has it: digits as a whole
// number, times or divided by a power of ten, which rounds more often than need be and so differs
// in the last bit at times. Scores have to be these, as ties decide between cuts of a text.
double ParseScore(std::string_view number);

// Fields of a JSON object, for every reader of the tokenizer's files. An absent field or a null
// gives `otherwise`, or data_loss where there is none; a field of another type is a data_loss.
Result<bool> BoolField(const nlohmann::json& object, const char* key,
                       std::optional<bool> otherwise = std::nullopt);
Result<int64_t> IntField(const nlohmann::json& object, const char* key,
                         std::optional<int64_t> otherwise = std::nullopt);
Result<std::string> StringField(const nlohmann::json& object, const char* key,
                                std::optional<std::string> otherwise = std::nullopt);
// The list in a field; an empty one where it is absent or null.
Result<const nlohmann::json*> ListField(const nlohmann::json& object, const char* key);

// The field `key` of an object, or a null: also where it is absent or `value` is no object.
const nlohmann::json& Field(const nlohmann::json& value, const char* key);

}  // namespace tessera

#endif  // TESSERA_TEXT_TOKENIZER_JSON_H_
