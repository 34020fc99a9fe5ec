#include "text/tokenizer_parts.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "text/unigram.h"
#include "text/word_piece.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

Result<int32_t> TokenId(const Json& value) {
  if (!value.is_number_integer()) return DataLoss("the id of a special token is no whole number");
  const auto id = value.get<int64_t>();
  if (id < 0 || id > INT32_MAX) {
    return DataLoss("id " + std::to_string(id) + " of a special token is not in [0, 2^31)");
  }
  return static_cast<int32_t>(id);
}

// ["[CLS]", 101]
Result<int32_t> PairId(const Json& processor, const char* key) {
  const Json& pair = Field(processor, key);
  if (!pair.is_array() || pair.size() != 2)
    return DataLoss(std::string("post_processor: expected [token, id] in \"") + key + "\"");
  return TokenId(pair[1]);
}

Result<SpecialTokens> MakeTemplate(const Json& processor) {
  TESSERA_ASSIGN_OR_RETURN(const Json* pieces, ListField(processor, "single"));
  const Json& special_tokens = Field(processor, "special_tokens");
  SpecialTokens out;
  int texts = 0;
  for (const Json& piece : *pieces) {
    if (const Json& sequence = Field(piece, "Sequence"); !sequence.is_null()) {
      TESSERA_ASSIGN_OR_RETURN(const std::string id, StringField(sequence, "id"));
      if (id != "A")
        return DataLoss("post_processor: sequence " + id + " in the template of a single text");
      ++texts;
      continue;
    }
    TESSERA_ASSIGN_OR_RETURN(const std::string name,
                             StringField(Field(piece, "SpecialToken"), "id"));
    const Json& token = Field(special_tokens, name.c_str());
    TESSERA_ASSIGN_OR_RETURN(const Json* ids, ListField(token, "ids"));
    if (ids->empty()) return DataLoss("post_processor: special token " + name + " has no ids");
    for (const Json& id : *ids) {
      TESSERA_ASSIGN_OR_RETURN(const int32_t value, TokenId(id));
      (texts == 0 ? out.before : out.after).push_back(value);
    }
  }
  if (texts != 1) {
    return Unimplemented("post_processor: a template that has the text " + std::to_string(texts) +
                         " times, expected once");
  }
  return out;
}

Result<std::unique_ptr<const TokenModel>> MakeWordPiece(const Json& model,
                                                        const TokenizerJson& json) {
  if (json.vocabulary_is_list)
    return DataLoss("model: the vocabulary of a WordPiece is a list, expected an object");
  WordPieceOptions options;
  TESSERA_ASSIGN_OR_RETURN(options.unknown_token,
                           StringField(model, "unk_token", options.unknown_token));
  TESSERA_ASSIGN_OR_RETURN(
      options.continuing_prefix,
      StringField(model, "continuing_subword_prefix", options.continuing_prefix));
  TESSERA_ASSIGN_OR_RETURN(
      options.max_characters_per_word,
      IntField(model, "max_input_chars_per_word", options.max_characters_per_word));
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<const WordPiece> word_piece,
                           WordPiece::Create(json.vocabulary, options));
  return std::unique_ptr<const TokenModel>(std::move(word_piece));
}

Result<std::unique_ptr<const TokenModel>> MakeUnigram(const Json& model,
                                                      const TokenizerJson& json) {
  if (!json.vocabulary_is_list)
    return DataLoss("model: the vocabulary of a Unigram is an object, expected a list");
  TESSERA_ASSIGN_OR_RETURN(const int64_t unknown_id, IntField(model, "unk_id"));
  TESSERA_ASSIGN_OR_RETURN(const bool byte_fallback, BoolField(model, "byte_fallback", false));
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<const Unigram> unigram,
                           Unigram::Create(json.vocabulary, unknown_id, byte_fallback));
  return std::unique_ptr<const TokenModel>(std::move(unigram));
}

}  // namespace

Result<SpecialTokens> MakeSpecialTokens(const Json& post_processor) {
  if (post_processor.is_null()) return SpecialTokens();
  TESSERA_ASSIGN_OR_RETURN(const std::string type, StringField(post_processor, "type"));
  if (type == "TemplateProcessing") return MakeTemplate(post_processor);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    TESSERA_ASSIGN_OR_RETURN(const int32_t cls, PairId(post_processor, "cls"));
    TESSERA_ASSIGN_OR_RETURN(const int32_t sep, PairId(post_processor, "sep"));
    return SpecialTokens{{cls}, {sep}};
  }
  if (type == "ByteLevel") return SpecialTokens();  // changes offsets only
  return Unimplemented("post_processor " + type);
}

Result<std::unique_ptr<const TokenModel>> MakeTokenModel(const TokenizerJson& json) {
  const Json& model = Field(json.root, "model");
  if (!model.is_object()) return DataLoss("\"model\" is missing");
  TESSERA_ASSIGN_OR_RETURN(std::string type, StringField(model, "type", ""));
  // Files of old versions do not name it.
  if (type.empty() && model.contains("max_input_chars_per_word")) type = "WordPiece";
  if (type.empty() && model.contains("unk_id")) type = "Unigram";
  if (type == "WordPiece") return MakeWordPiece(model, json);
  if (type == "Unigram") return MakeUnigram(model, json);
  return Unimplemented("model " + (type.empty() ? "without type" : type));
}

Result<std::vector<AddedToken>> MakeAddedTokens(const Json& list, const TokenModel& model) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, int32_t> known;
  int64_t next_id = model.vocab_size();
  for (const Json& json : list) {
    AddedToken token;
    TESSERA_ASSIGN_OR_RETURN(token.content, StringField(json, "content"));
    TESSERA_ASSIGN_OR_RETURN(token.id, TokenId(Field(json, "id")));
    TESSERA_ASSIGN_OR_RETURN(token.is_special, BoolField(json, "special", false));
    TESSERA_ASSIGN_OR_RETURN(token.is_normalized, BoolField(json, "normalized", !token.is_special));
    TESSERA_ASSIGN_OR_RETURN(token.is_single_word, BoolField(json, "single_word", false));
    TESSERA_ASSIGN_OR_RETURN(token.takes_space_left, BoolField(json, "lstrip", false));
    TESSERA_ASSIGN_OR_RETURN(token.takes_space_right, BoolField(json, "rstrip", false));
    if (token.content.empty()) continue;
    if (token.content.size() > kMaxTokenBytes) {
      return DataLoss("added token " + std::to_string(token.id) + " has " +
                      std::to_string(token.content.size()) + " bytes, expected at most " +
                      std::to_string(kMaxTokenBytes));
    }
    int64_t id = model.Find(token.content);
    if (id < 0) {
      const auto before = known.find(token.content);
      id = before != known.end() ? before->second : next_id++;
    }
    if (id != token.id) {
      return DataLoss("added token \"" + token.content + "\" has id " + std::to_string(token.id) +
                      ", expected " + std::to_string(id) + " by the vocabulary");
    }
    known.emplace(token.content, token.id);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace tessera
