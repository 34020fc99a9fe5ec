#include "pipelines/embed_job.h"

#include <algorithm>
#include <numeric>

namespace tessera {

EmbedJob::EmbedJob(EmbedPlan plan, std::span<const std::string_view> texts, std::stop_token stop)
    : plan_(std::move(plan)), texts_(texts), stop_(std::move(stop)) {
  result_.dimensions = plan_.dimensions;
  result_.values.resize(texts.size() * static_cast<size_t>(plan_.dimensions));
  result_.num_tokens.resize(texts.size());
  truncated_.resize(texts.size());

  // The longest first, so that what is left at the end, when workers run dry, are short ones. Equal
  // texts come to lie side by side, the first of them in front.
  order_.resize(texts.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    if (texts[a].size() != texts[b].size()) return texts[a].size() > texts[b].size();
    const int compared = texts[a].compare(texts[b]);
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto distinct = std::unique(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    if (texts[a] != texts[b]) return false;
    repeated_.emplace_back(b, a);
    return true;
  });
  order_.erase(distinct, order_.end());
}

Embeddings EmbedJob::TakeResult() {
  for (const auto& [index, original] : repeated_) {
    std::ranges::copy(vector(original), vector(index).begin());
    SetTokens(index, result_.num_tokens[original], truncated_[original] != 0);
  }
  result_.truncated.assign(truncated_.begin(), truncated_.end());
  return std::move(result_);
}

}  // namespace tessera
