#include "text/vocab_txt.h"

#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// A name, or an object with the name in "content".
Result<std::string> TokenName(const Json& config, const char* key, const char* otherwise) {
  const Json& field = Field(config, key);
  if (field.is_object()) return StringField(field, "content");
  return StringField(config, key, otherwise);
}

// Lines end with \n, \r\n or \r.
Status ReadLines(std::string_view text, std::vector<VocabularyToken>* tokens) {
  while (!text.empty()) {
    if (tokens->size() == static_cast<size_t>(kMaxVocabularyTokens))
      return DataLoss("more than " + std::to_string(kMaxVocabularyTokens) + " tokens");
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    tokens->push_back({std::string(text.substr(0, end)), static_cast<int32_t>(tokens->size()), 0});
    text.remove_prefix(end);
    if (text.starts_with("\r\n")) text.remove_prefix(1);
    if (!text.empty()) text.remove_prefix(1);
  }
  return OkStatus();
}

}  // namespace

Result<TokenizerJson> TokenizerJsonFromVocabTxt(std::string_view vocab_txt,
                                                std::string_view config_text) {
  TokenizerJson out;
  if (!IsValidUtf8(vocab_txt)) return DataLoss("the vocabulary is not valid UTF-8");
  TESSERA_RETURN_IF_ERROR(ReadLines(vocab_txt, &out.vocabulary));
  Json config;
  if (!config_text.empty()) {
    auto parsed = ParseTokenizerJson(config_text);
    if (!parsed.ok()) return std::move(parsed).status().AddContext("tokenizer_config.json");
    config = std::move(parsed->root);
  }
  TESSERA_ASSIGN_OR_RETURN(const bool lowercase, BoolField(config, "do_lower_case", true));
  TESSERA_ASSIGN_OR_RETURN(const bool strip_accents, BoolField(config, "strip_accents", lowercase));
  TESSERA_ASSIGN_OR_RETURN(const bool chinese, BoolField(config, "tokenize_chinese_chars", true));
  out.root["normalizer"] = {{"type", "BertNormalizer"},
                            {"clean_text", true},
                            {"handle_chinese_chars", chinese},
                            {"strip_accents", strip_accents},
                            {"lowercase", lowercase}};
  out.root["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};

  std::unordered_map<std::string_view, int32_t> ids;
  for (const VocabularyToken& token : out.vocabulary) ids[token.text] = token.id;
  struct Special {
    const char* key;
    const char* name;
    bool is_needed;
  };
  Json added = Json::array();
  for (const Special& special :
       {Special{"pad_token", "[PAD]", false}, Special{"unk_token", "[UNK]", true},
        Special{"cls_token", "[CLS]", true}, Special{"sep_token", "[SEP]", true},
        Special{"mask_token", "[MASK]", false}}) {
    TESSERA_ASSIGN_OR_RETURN(const std::string name, TokenName(config, special.key, special.name));
    const auto found = ids.find(name);
    if (found == ids.end()) {
      if (!special.is_needed) continue;
      return DataLoss(std::string("the vocabulary lacks the ") + special.key + " \"" + name + "\"");
    }
    const int32_t id = found->second;
    added.push_back({{"id", id}, {"content", name}, {"special", true}, {"normalized", false}});
    if (special.key == std::string_view("unk_token"))
      out.root["model"] = {{"type", "WordPiece"}, {"unk_token", name}};
    if (special.key == std::string_view("cls_token"))
      out.root["post_processor"]["cls"] = {name, id};
    if (special.key == std::string_view("sep_token"))
      out.root["post_processor"]["sep"] = {name, id};
  }
  out.root["post_processor"]["type"] = "BertProcessing";
  out.root["added_tokens"] = std::move(added);
  return out;
}

}  // namespace tessera
