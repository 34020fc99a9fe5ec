// How the texts of one call become vectors: EmbedOptions, checked, with the model's own settings
// where they say nothing. Pure functions; thread-safe.
#ifndef TESSERA_PIPELINES_EMBED_PLAN_H_
#define TESSERA_PIPELINES_EMBED_PLAN_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "models/bert/settings.h"
#include "tessera/embed.h"
#include "text/text_tokenizer.h"

namespace tessera {

struct EmbedPlan {
  std::string prompt = {};
  EmbedPooling pooling = EmbedPooling::kMean;
  bool normalize = true;
  int64_t dimensions = 0;  // 1..width
  int64_t max_tokens = 0;
};

// invalid_argument names the option, what was expected and what was found. `width`: of the model's
// rows.
Result<EmbedPlan> PlanEmbedding(const EmbedOptions& options, const TextEncoderSettings& settings,
                                int64_t width, const TextTokenizer& tokenizer);

// The text as sentence-transformers hands it to the tokenizer: behind the prompt, without white
// space at both ends. `joined` holds what is not part of `text`.
std::string_view WithPrompt(const EmbedPlan& plan, std::string_view text, std::string* joined);

// One text's vector from what the encoder made of its tokens: hidden [num_tokens, width] row-major,
// num_tokens > 0; vector has plan.dimensions elements. Sums run in the order of the tokens, so that
// the bits depend on this text alone.
void PoolTokens(const EmbedPlan& plan, std::span<const float> hidden, int64_t width,
                std::span<float> vector);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_EMBED_PLAN_H_
