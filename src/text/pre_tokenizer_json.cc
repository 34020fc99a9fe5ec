#include <utility>

#include "base/check.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tessera {
namespace {

using Json = nlohmann::json;
using Steps = std::vector<std::unique_ptr<const PreTokenizer>>;

// More is a broken file: a step is a frame of the stack when a text is cut.
constexpr size_t kMaxSteps = 16;

Result<std::unique_ptr<const PreTokenizer>> MakeMetaspace(const Json& json) {
  TESSERA_ASSIGN_OR_RETURN(const std::string replacement, StringField(json, "replacement"));
  if (CountCodePoints(replacement) != 1)
    return DataLoss("Metaspace: the replacement \"" + replacement + "\" is not one character");
  // Before there was a scheme, add_prefix_space said always or never.
  TESSERA_ASSIGN_OR_RETURN(const bool adds_prefix, BoolField(json, "add_prefix_space", true));
  TESSERA_ASSIGN_OR_RETURN(const std::string scheme,
                           StringField(json, "prepend_scheme", adds_prefix ? "always" : "never"));
  TESSERA_ASSIGN_OR_RETURN(const bool is_split, BoolField(json, "split", true));
  Metaspace::Prepend prepend = Metaspace::Prepend::kAlways;
  if (scheme == "first") {
    prepend = Metaspace::Prepend::kFirst;
  } else if (scheme == "never") {
    prepend = Metaspace::Prepend::kNever;
  } else if (scheme != "always") {
    return DataLoss("Metaspace: prepend_scheme \"" + scheme +
                    "\", expected always, first or never");
  }
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<Metaspace>(replacement, prepend, is_split));
}

Status AddSteps(const Json& json, Steps* steps);

Status AddSequence(const Json& json, Steps* steps) {
  TESSERA_ASSIGN_OR_RETURN(const Json* list, ListField(json, "pretokenizers"));
  for (const Json& element : *list) TESSERA_RETURN_IF_ERROR(AddSteps(element, steps));
  return OkStatus();
}

// Nested sequences are laid flat; the depth of the JSON is limited.
Status AddSteps(const Json& json, Steps* steps) {
  TESSERA_ASSIGN_OR_RETURN(const std::string type, StringField(json, "type"));
  if (type == "Sequence") return AddSequence(json, steps);
  if (steps->size() == kMaxSteps)
    return DataLoss("pre_tokenizer: more than " + std::to_string(kMaxSteps) + " steps");
  if (type == "BertPreTokenizer") {
    steps->push_back(std::make_unique<BertPreTokenizer>());
  } else if (type == "WhitespaceSplit") {
    steps->push_back(std::make_unique<WhitespaceSplit>());
  } else if (type == "Whitespace") {
    steps->push_back(std::make_unique<WhitespacePreTokenizer>());
  } else if (type == "Metaspace") {
    TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<const PreTokenizer> step, MakeMetaspace(json));
    steps->push_back(std::move(step));
  } else {
    return Unimplemented("pre_tokenizer " + type);
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> MakePreTokenizer(const Json& json) {
  if (json.is_null()) return std::unique_ptr<const PreTokenizer>();
  Steps steps;
  TESSERA_RETURN_IF_ERROR(AddSteps(json, &steps));
  if (steps.size() == 1) return std::move(steps[0]);
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<PreTokenizerSequence>(std::move(steps)));
}

}  // namespace tessera
