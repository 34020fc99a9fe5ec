#include "pipelines/embed_plan.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// A shorter vector is not stretched to length 1, as torch's normalize() has it.
constexpr double kMinLength = 1e-12;

Status OutOfRange(const char* name, int64_t lowest, int64_t highest, int64_t found) {
  return InvalidArgument(std::string(name) + ": expected " + std::to_string(lowest) + " to " +
                         std::to_string(highest) + " (0: the model's own), found " +
                         std::to_string(found));
}

}  // namespace

Result<EmbedPlan> PlanEmbedding(const EmbedOptions& options, const TextEncoderSettings& settings,
                                int64_t width, const TextTokenizer& tokenizer) {
  EmbedPlan plan;
  if (options.dimensions < 0 || options.dimensions > width)
    return OutOfRange("dimensions", 1, width, options.dimensions);
  plan.dimensions = options.dimensions > 0 ? options.dimensions : width;

  const int64_t least = std::max<int64_t>(tokenizer.num_special_tokens(), 1);
  if (options.max_tokens != 0 &&
      (options.max_tokens < least || options.max_tokens > settings.max_tokens))
    return OutOfRange("max_tokens", least, settings.max_tokens, options.max_tokens);
  plan.max_tokens = options.max_tokens > 0 ? options.max_tokens : settings.max_tokens;

  plan.pooling = options.pooling.value_or(settings.pooling);
  plan.normalize = options.normalize.value_or(settings.normalize);
  if (options.prompt) {
    plan.prompt = *options.prompt;
    return plan;
  }
  switch (options.kind) {
    case EmbedKind::kPlain:
      plan.prompt = settings.plain_prompt;
      break;
    case EmbedKind::kQuery:
      plan.prompt = settings.query_prompt;
      break;
    case EmbedKind::kPassage:
      plan.prompt = settings.passage_prompt;
      break;
  }
  return plan;
}

std::string_view WithPrompt(const EmbedPlan& plan, std::string_view text, std::string* joined) {
  if (!plan.prompt.empty()) {
    joined->assign(plan.prompt).append(text);
    text = *joined;
  }
  return StripWhiteSpace(text);
}

void PoolTokens(const EmbedPlan& plan, std::span<const float> hidden, int64_t width,
                std::span<float> vector) {
  const auto num_tokens = static_cast<int64_t>(hidden.size()) / width;
  TESSERA_CHECK(num_tokens > 0 && static_cast<int64_t>(vector.size()) == plan.dimensions);
  const auto token = [&](int64_t t) { return hidden.data() + t * width; };
  const int64_t dimensions = plan.dimensions;
  switch (plan.pooling) {
    case EmbedPooling::kMean: {
      std::copy_n(token(0), dimensions, vector.data());
      for (int64_t t = 1; t < num_tokens; ++t) {
        const float* row = token(t);
        for (int64_t i = 0; i < dimensions; ++i) vector[i] += row[i];
      }
      const float share = 1.0F / static_cast<float>(num_tokens);
      for (float& x : vector) x *= share;
      break;
    }
    case EmbedPooling::kCls:
      std::copy_n(token(0), dimensions, vector.data());
      break;
    case EmbedPooling::kLast:
      std::copy_n(token(num_tokens - 1), dimensions, vector.data());
      break;
  }
  if (!plan.normalize) return;
  double square = 0;
  for (const float x : vector) square += static_cast<double>(x) * x;
  const auto scale = static_cast<float>(1 / std::max(std::sqrt(square), kMinLength));
  for (float& x : vector) x *= scale;
}

}  // namespace tessera
