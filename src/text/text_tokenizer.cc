#include "text/text_tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include "text/vocab_txt.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxFileBytes = 256 << 20;
// A long text is taken in parts of about this size, so that little more is looked at than
// max_tokens need.
constexpr size_t kPartBytes = 4096;

bool IsAsciiAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Where the first part of `text` ends: between a letter or digit and a single space.
size_t PartEnd(std::string_view text) {
  for (size_t at = text.find(' ', kPartBytes); at < text.size(); at = text.find(' ', at + 1)) {
    const bool is_single = at + 1 < text.size() && text[at + 1] != ' ';
    if (is_single && IsAsciiAlphanumeric(text[at - 1])) return at;
  }
  return text.size();
}

struct Parts {
  std::unique_ptr<const Normalizer> normalizer;       // may be null
  std::unique_ptr<const PreTokenizer> pre_tokenizer;  // may be null
  std::unique_ptr<const TokenModel> model;
  std::vector<AddedToken> added_tokens;
  SpecialTokens special_tokens;
};

class PipelineTokenizer : public TextTokenizer {
 public:
  explicit PipelineTokenizer(Parts parts) : parts_(std::move(parts)) {
    std::vector<AddedToken> raw;
    std::vector<AddedToken> normalized;
    vocab_size_ = parts_.model->vocab_size();
    // The library looks for special tokens first.
    for (const bool is_special : {true, false}) {
      for (const AddedToken& added : parts_.added_tokens) {
        if (added.is_special != is_special) continue;
        CountId(added.id);
        AddedToken token = added;
        if (token.is_normalized && parts_.normalizer)
          parts_.normalizer->Normalize({}, &token.content);
        (token.is_normalized ? normalized : raw).push_back(std::move(token));
      }
    }
    parts_.added_tokens.clear();
    raw_finder_ = AddedTokenFinder(std::move(raw));
    normalized_finder_ = AddedTokenFinder(std::move(normalized));
    // An added token of the normalized text could lie across the end of a part.
    allows_parts_ = normalized_finder_.empty() && parts_.pre_tokenizer != nullptr &&
                    parts_.pre_tokenizer->CutsAtSpaces() &&
                    (parts_.normalizer == nullptr || parts_.normalizer->AllowsParts());
    for (const int32_t id : parts_.special_tokens.before) CountId(id);
    for (const int32_t id : parts_.special_tokens.after) CountId(id);
  }

  TokenizedText Encode(std::string_view text, int64_t max_tokens) const override {
    std::string replaced;
    if (!IsValidUtf8(text)) {
      replaced = ReplaceInvalidUtf8(text);
      text = replaced;
    }
    TokenizedText out;
    out.ids = parts_.special_tokens.before;
    const int64_t content = std::max<int64_t>(max_tokens - num_special_tokens(), 0);
    const size_t limit = out.ids.size() + static_cast<size_t>(content);
    Collector collector(*this, limit, &out.ids);
    raw_finder_.Split(text, [&](std::string_view part, int32_t id) {
      if (id < 0) return EncodeParts(part, part.data() == text.data(), &collector);
      return collector.Add(id);
    });
    out.truncated = out.ids.size() > limit;
    if (out.truncated) out.ids.resize(limit);
    out.ids.insert(out.ids.end(), parts_.special_tokens.after.begin(),
                   parts_.special_tokens.after.end());
    return out;
  }

  int64_t vocab_size() const override { return vocab_size_; }
  int64_t num_special_tokens() const override {
    return static_cast<int64_t>(parts_.special_tokens.before.size() +
                                parts_.special_tokens.after.size());
  }

 private:
  // Tokenizes pieces until there are more ids than the limit.
  class Collector : public PieceSink {
   public:
    Collector(const PipelineTokenizer& tokenizer, size_t limit, std::vector<int32_t>* ids)
        : model_(*tokenizer.parts_.model), limit_(limit), ids_(*ids) {}

    bool Take(TextPiece piece) override {
      model_.Tokenize(piece.text, limit_, &ids_);
      return ids_.size() <= limit_;
    }
    bool Add(int32_t id) {
      ids_.push_back(id);
      return ids_.size() <= limit_;
    }

   private:
    const TokenModel& model_;
    size_t limit_;
    std::vector<int32_t>& ids_;
  };

  void CountId(int32_t id) { vocab_size_ = std::max(vocab_size_, int64_t{id} + 1); }

  // `text` lies between added tokens.
  bool EncodeParts(std::string_view text, bool is_at_start, Collector* collector) const {
    TextPart part;
    while (!text.empty()) {
      const size_t end = allows_parts_ ? PartEnd(text) : text.size();
      part.is_last = end == text.size();
      std::string normalized;
      std::string_view taken = text.substr(0, end);
      if (parts_.normalizer) {
        normalized = taken;
        parts_.normalizer->Normalize(part, &normalized);
        taken = normalized;
      }
      if (!EncodeNormalized(taken, is_at_start && part.is_first, collector)) return false;
      text.remove_prefix(end);
      part.is_first = false;
    }
    return true;
  }

  bool EncodeNormalized(std::string_view text, bool is_at_start, Collector* collector) const {
    if (normalized_finder_.empty()) return EncodePiece(text, is_at_start, collector);
    return normalized_finder_.Split(text, [&](std::string_view part, int32_t id) {
      if (id >= 0) return collector->Add(id);
      return EncodePiece(part, is_at_start && part.data() == text.data(), collector);
    });
  }

  bool EncodePiece(std::string_view text, bool is_at_start, Collector* collector) const {
    if (text.empty()) return true;
    const TextPiece piece{text, is_at_start};
    return parts_.pre_tokenizer ? parts_.pre_tokenizer->Split(piece, collector)
                                : collector->Take(piece);
  }

  Parts parts_;
  AddedTokenFinder raw_finder_;
  AddedTokenFinder normalized_finder_;
  bool allows_parts_ = false;
  int64_t vocab_size_ = 0;
};

Result<std::unique_ptr<const TextTokenizer>> MakeTextTokenizer(const TokenizerJson& json) {
  Parts parts;
  TESSERA_ASSIGN_OR_RETURN(parts.model, MakeTokenModel(json));
  TESSERA_ASSIGN_OR_RETURN(parts.normalizer, MakeNormalizer(Field(json.root, "normalizer")));
  TESSERA_ASSIGN_OR_RETURN(parts.pre_tokenizer,
                           MakePreTokenizer(Field(json.root, "pre_tokenizer")));
  TESSERA_ASSIGN_OR_RETURN(const nlohmann::json* added, ListField(json.root, "added_tokens"));
  TESSERA_ASSIGN_OR_RETURN(parts.added_tokens, MakeAddedTokens(*added, *parts.model));
  TESSERA_ASSIGN_OR_RETURN(parts.special_tokens,
                           MakeSpecialTokens(Field(json.root, "post_processor")));
  return std::unique_ptr<const TextTokenizer>(
      std::make_unique<PipelineTokenizer>(std::move(parts)));
}

}  // namespace

Result<std::unique_ptr<const TextTokenizer>> ParseTextTokenizer(std::string_view tokenizer_json) {
  TESSERA_ASSIGN_OR_RETURN(const TokenizerJson json, ParseTokenizerJson(tokenizer_json));
  return MakeTextTokenizer(json);
}

Result<std::unique_ptr<const TextTokenizer>> ParseVocabTxt(std::string_view vocab_txt,
                                                           std::string_view tokenizer_config) {
  TESSERA_ASSIGN_OR_RETURN(const TokenizerJson json,
                           TokenizerJsonFromVocabTxt(vocab_txt, tokenizer_config));
  return MakeTextTokenizer(json);
}

Result<std::unique_ptr<const TextTokenizer>> LoadTextTokenizer(const std::string& folder) {
  const std::string json_path = JoinPath(folder, "tokenizer.json");
  if (FileExists(json_path)) {
    TESSERA_ASSIGN_OR_RETURN(const std::string json, ReadFile(json_path, kMaxFileBytes));
    auto tokenizer = ParseTextTokenizer(json);
    if (!tokenizer.ok()) return std::move(tokenizer).status().AddContext(json_path);
    return tokenizer;
  }
  const std::string txt_path = JoinPath(folder, "vocab.txt");
  if (!FileExists(txt_path)) {
    return NotFound("no tokenizer in " + folder + ", expected tokenizer.json or vocab.txt");
  }
  TESSERA_ASSIGN_OR_RETURN(const std::string vocabulary, ReadFile(txt_path, kMaxFileBytes));
  std::string config;
  const std::string config_path = JoinPath(folder, "tokenizer_config.json");
  if (FileExists(config_path)) {
    TESSERA_ASSIGN_OR_RETURN(config, ReadFile(config_path, kMaxFileBytes));
  }
  auto tokenizer = ParseVocabTxt(vocabulary, config);
  if (!tokenizer.ok()) return std::move(tokenizer).status().AddContext(txt_path);
  return tokenizer;
}

}  // namespace tessera
