#include <utility>

#include "base/check.h"
#include "text/tokenizer_parts.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// Enough for real files (which have four), little enough for a broken one.
constexpr size_t kMaxSteps = 64;

Result<std::unique_ptr<const Normalizer>> MakeBertNormalizer(const Json& json) {
  BertNormalizerOptions options;
  TESSERA_ASSIGN_OR_RETURN(options.clean_text, BoolField(json, "clean_text", true));
  TESSERA_ASSIGN_OR_RETURN(options.handle_chinese_chars,
                           BoolField(json, "handle_chinese_chars", true));
  TESSERA_ASSIGN_OR_RETURN(options.lowercase, BoolField(json, "lowercase", true));
  TESSERA_ASSIGN_OR_RETURN(options.strip_accents,
                           BoolField(json, "strip_accents", options.lowercase));
  return std::unique_ptr<const Normalizer>(std::make_unique<BertNormalizer>(options));
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
  if (type != "BertNormalizer") return Unimplemented("normalizer " + type);
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<const Normalizer> step, MakeBertNormalizer(json));
  steps->push_back(std::move(step));
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> MakeNormalizer(const Json& json) {
  if (json.is_null()) return std::unique_ptr<const Normalizer>();
  Steps steps;
  TESSERA_RETURN_IF_ERROR(AddSteps(json, &steps));
  if (steps.size() == 1) return std::move(steps[0]);
  return std::unique_ptr<const Normalizer>(std::make_unique<NormalizerSequence>(std::move(steps)));
}

}  // namespace tessera
