#include <utility>

#include "base/check.h"
#include "text/base64.h"
#include "text/normalizer_steps.h"
#include "text/precompiled_charsmap.h"
#include "text/tokenizer_parts.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// Enough for real files (which have four), little enough for a broken one.
constexpr size_t kMaxSteps = 64;
// Those of real files are below 1000 by this reckoning, which multiplies what each step could do.
constexpr size_t kMaxGrowth = 16384;

template <typename T, typename... Args>
std::unique_ptr<const Normalizer> Make(Args&&... args) {
  return std::make_unique<T>(std::forward<Args>(args)...);
}

Result<std::unique_ptr<const Normalizer>> MakeBertNormalizer(const Json& json) {
  BertNormalizerOptions options;
  TESSERA_ASSIGN_OR_RETURN(options.clean_text, BoolField(json, "clean_text", true));
  TESSERA_ASSIGN_OR_RETURN(options.handle_chinese_chars,
                           BoolField(json, "handle_chinese_chars", true));
  TESSERA_ASSIGN_OR_RETURN(options.lowercase, BoolField(json, "lowercase", true));
  TESSERA_ASSIGN_OR_RETURN(options.strip_accents,
                           BoolField(json, "strip_accents", options.lowercase));
  return Make<BertNormalizer>(options);
}

Result<std::unique_ptr<const Normalizer>> MakePrecompiled(const Json& json) {
  TESSERA_ASSIGN_OR_RETURN(const std::string base64, StringField(json, "precompiled_charsmap"));
  std::string charsmap;
  if (!DecodeBase64(base64, &charsmap))
    return DataLoss("normalizer: precompiled_charsmap is not base64");
  return PrecompiledCharsmap::Create(charsmap);
}

Result<std::unique_ptr<const Normalizer>> MakeReplace(const Json& json) {
  TESSERA_ASSIGN_OR_RETURN(const std::string content, StringField(json, "content"));
  const Json& pattern = Field(json, "pattern");
  if (!Field(pattern, "Regex").is_null()) {
    TESSERA_ASSIGN_OR_RETURN(const std::string regex, StringField(pattern, "Regex"));
    TESSERA_ASSIGN_OR_RETURN(ReplaceRunsNormalizer step,
                             ReplaceRunsNormalizer::Create(regex, content));
    return Make<ReplaceRunsNormalizer>(std::move(step));
  }
  TESSERA_ASSIGN_OR_RETURN(const std::string text, StringField(pattern, "String"));
  if (text.empty()) return DataLoss("normalizer: Replace of an empty text");
  return Make<ReplaceNormalizer>(text, content);
}

Result<std::unique_ptr<const Normalizer>> MakeStep(const std::string& type, const Json& json) {
  if (type == "BertNormalizer") return MakeBertNormalizer(json);
  if (type == "Precompiled") return MakePrecompiled(json);
  if (type == "Replace") return MakeReplace(json);
  if (type == "Lowercase") return Make<LowercaseNormalizer>();
  if (type == "StripAccents") return Make<StripAccentsNormalizer>();
  if (type == "NFC") return Make<NormalFormNormalizer>(NormalForm::kNfc);
  if (type == "NFD") return Make<NormalFormNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return Make<NormalFormNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return Make<NormalFormNormalizer>(NormalForm::kNfkd);
  if (type == "Prepend") {
    TESSERA_ASSIGN_OR_RETURN(std::string text, StringField(json, "prepend"));
    if (text.size() > kMaxTokenBytes)
      return DataLoss("normalizer: Prepend of " + std::to_string(text.size()) + " bytes");
    return Make<PrependNormalizer>(std::move(text));
  }
  if (type == "Strip") {
    TESSERA_ASSIGN_OR_RETURN(const bool left, BoolField(json, "strip_left", true));
    TESSERA_ASSIGN_OR_RETURN(const bool right, BoolField(json, "strip_right", true));
    return Make<StripNormalizer>(left, right);
  }
  return Unimplemented("normalizer " + type);
}

using Steps = std::vector<std::unique_ptr<const Normalizer>>;

// Nested sequences are laid flat; the depth of the JSON is limited.
Status AddSteps(const Json& json, Steps* steps) {
  TESSERA_ASSIGN_OR_RETURN(const std::string type, StringField(json, "type"));
  if (type == "Sequence") {
    TESSERA_ASSIGN_OR_RETURN(const Json* list, ListField(json, "normalizers"));
    for (const Json& element : *list) TESSERA_RETURN_IF_ERROR(AddSteps(element, steps));
    return OkStatus();
  }
  if (steps->size() == kMaxSteps)
    return DataLoss("normalizer: more than " + std::to_string(kMaxSteps) + " steps");
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<const Normalizer> step, MakeStep(type, json));
  steps->push_back(std::move(step));
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> MakeNormalizer(const Json& json) {
  if (json.is_null()) return std::unique_ptr<const Normalizer>();
  Steps steps;
  TESSERA_RETURN_IF_ERROR(AddSteps(json, &steps));
  std::unique_ptr<const Normalizer> normalizer =
      steps.size() == 1 ? std::move(steps[0]) : Make<NormalizerSequence>(std::move(steps));
  if (normalizer->MaxGrowth() > kMaxGrowth) {
    return DataLoss("normalizer: a text could become more than " + std::to_string(kMaxGrowth) +
                    " times as long");
  }
  return normalizer;
}

}  // namespace tessera
