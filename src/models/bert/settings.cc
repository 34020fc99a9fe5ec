#include "models/bert/settings.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/json.h"

namespace tessera {
namespace {

using nlohmann::json;

// An object from a file of the folder; nothing when there is no such file.
Result<std::optional<json>> OptionalObject(const std::string& path) {
  if (!FileExists(path)) return std::optional<json>();
  TESSERA_ASSIGN_OR_RETURN(json object, ParseJsonFile(path));
  if (!object.is_object()) return DataLoss(path + ": expected a JSON object");
  return std::optional<json>(std::move(object));
}

// Whether `word` stands in `name` as a word of its own: "e5" in "multilingual-e5-base".
bool HasWord(std::string_view name, std::string_view word) {
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (size_t at = name.find(word); at != name.npos; at = name.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_word(name[at - 1])) && (end == name.size() || !is_word(name[end])))
      return true;
  }
  return false;
}

// How the model is called, in lower case: folder and _name_or_path.
Result<std::string> CalledNames(const std::string& folder) {
  size_t end = folder.size();
  while (end > 0 && folder[end - 1] == '/') --end;
  std::string names = BaseName(std::string_view(folder).substr(0, end));
  TESSERA_ASSIGN_OR_RETURN(const auto config, OptionalObject(JoinPath(folder, "config.json")));
  if (config) {
    const auto it = config->find("_name_or_path");
    if (it != config->end() && it->is_string()) names += "/" + it->get<std::string>();
  }
  std::transform(names.begin(), names.end(), names.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return names;
}

// sentence_transformers.models.Pooling: exactly one mode of those that we have.
Result<EmbedPooling> ReadPooling(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const auto config, OptionalObject(path));
  if (!config) return NotFound(path + ": modules.json names this file, found none");
  constexpr std::string_view kPrefix = "pooling_mode_";
  std::vector<std::string> modes;
  for (const auto& [key, value] : config->items())
    if (key.starts_with(kPrefix) && value == true) modes.push_back(key.substr(kPrefix.size()));
  // Newer files: "pooling_mode": "mean".
  if (const auto mode = config->find("pooling_mode"); mode != config->end() && mode->is_string())
    modes.push_back(mode->get<std::string>());
  if (modes.size() == 1) {
    if (modes[0] == "mean_tokens" || modes[0] == "mean") return EmbedPooling::kMean;
    if (modes[0] == "cls_token" || modes[0] == "cls") return EmbedPooling::kCls;
    if (modes[0] == "lasttoken") return EmbedPooling::kLast;
  }
  std::string found;
  for (const std::string& mode : modes) found += (found.empty() ? "" : ", ") + mode.substr(0, 40);
  return Unimplemented(path + ": expected one pooling of mean_tokens, cls_token and lasttoken, " +
                       "found " + (found.empty() ? "none" : found));
}

// The stages of modules.json: Transformer, Pooling, and Normalize or nothing.
Status ReadModules(const std::string& folder, const std::string& path, TextEncoderSettings& s) {
  TESSERA_ASSIGN_OR_RETURN(const json modules, ParseJsonFile(path));
  if (!modules.is_array()) return DataLoss(path + ": expected a list of modules");
  s.normalize = false;
  bool pooled = false;
  for (size_t i = 0; i < modules.size(); ++i) {
    const auto text = [&](const char* key) {
      const auto it = modules[i].is_object() ? modules[i].find(key) : modules[i].end();
      return it != modules[i].end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    const std::string type = text("type");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "Transformer" && i == 0) continue;
    if (kind == "Pooling" && i == 1) {
      const std::string place = text("path");
      if (place.starts_with('/') || place.find("..") != place.npos)
        return DataLoss(path + ": expected a folder beside it, found \"" + place + "\"");
      TESSERA_ASSIGN_OR_RETURN(s.pooling,
                               ReadPooling(JoinPath(JoinPath(folder, place), "config.json")));
      pooled = true;
    } else if (kind == "Normalize" && pooled && !s.normalize) {
      s.normalize = true;
    } else {
      return Unimplemented(path + ": expected Transformer, Pooling and Normalize, found \"" +
                           type.substr(0, 100) + "\" as module " + std::to_string(i));
    }
  }
  if (!pooled) return Unimplemented(path + ": expected a Pooling module, found none");
  return OkStatus();
}

// prompts: {"query": "..."}; default_prompt_name: one of them, for texts of no kind.
Status ReadPrompts(const std::string& path, bool& found, TextEncoderSettings& s) {
  TESSERA_ASSIGN_OR_RETURN(const auto config, OptionalObject(path));
  if (!config) return OkStatus();
  const auto prompts = config->find("prompts");
  if (prompts == config->end() || prompts->is_null()) return OkStatus();
  if (!prompts->is_object()) return DataLoss(path + ": expected an object \"prompts\"");
  const auto prompt = [&](const std::string& name) -> const std::string* {
    const auto it = prompts->find(name);
    return it == prompts->end() ? nullptr : it->get_ptr<const std::string*>();
  };
  if (const auto* p = prompt("query")) s.query_prompt = *p;
  for (const char* name : {"document", "passage", "corpus"}) {
    const auto* p = prompt(name);
    if (p == nullptr) continue;
    s.passage_prompt = *p;
    break;
  }
  const auto name = config->find("default_prompt_name");
  if (name != config->end() && name->is_string()) {
    const auto* p = prompt(name->get<std::string>());
    if (p == nullptr)
      return DataLoss(path + ": no prompt is called as default_prompt_name says, \"" +
                      name->get<std::string>().substr(0, 60) + "\"");
    s.plain_prompt = *p;
  }
  found = !s.query_prompt.empty() || !s.passage_prompt.empty();
  return OkStatus();
}

// The longest text: sentence_bert_config.json, else the tokenizer's model_max_length, as
// sentence-transformers takes it.
Result<int64_t> ReadMaxTokens(const std::string& folder, int64_t num_positions) {
  struct Source {
    const char *file, *key;
  };
  for (const auto& [file, key] : {Source{"sentence_bert_config.json", "max_seq_length"},
                                  Source{"tokenizer_config.json", "model_max_length"}}) {
    const std::string path = JoinPath(folder, file);
    TESSERA_ASSIGN_OR_RETURN(const auto config, OptionalObject(path));
    if (!config) continue;
    const auto it = config->find(key);
    if (it == config->end() || it->is_null()) continue;
    if (!it->is_number() || !(it->get<double>() >= 3))
      return DataLoss(path + ": expected a number from 3 as \"" + key + "\"");
    // "No limit" is written as 1e30.
    return it->get<double>() > static_cast<double>(num_positions) ? num_positions
                                                                  : it->get<int64_t>();
  }
  return num_positions;
}

}  // namespace

Result<TextEncoderSettings> ReadTextEncoderSettings(const std::string& folder,
                                                    int64_t num_positions) {
  TextEncoderSettings s;
  TESSERA_ASSIGN_OR_RETURN(s.max_tokens, ReadMaxTokens(folder, num_positions));
  TESSERA_ASSIGN_OR_RETURN(const std::string names, CalledNames(folder));
  const std::string modules = JoinPath(folder, "modules.json");
  if (FileExists(modules)) {
    TESSERA_RETURN_IF_ERROR(ReadModules(folder, modules, s));
  } else if (HasWord(names, "bge")) {
    s.pooling = EmbedPooling::kCls;
  }
  bool has_prompts = false;
  TESSERA_RETURN_IF_ERROR(
      ReadPrompts(JoinPath(folder, "config_sentence_transformers.json"), has_prompts, s));
  if (!has_prompts && HasWord(names, "e5") && !HasWord(names, "instruct")) {
    s.query_prompt = "query: ";
    s.passage_prompt = "passage: ";
  }
  return s;
}

}  // namespace tessera
