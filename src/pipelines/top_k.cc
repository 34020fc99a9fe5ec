#include "pipelines/top_k.h"

#include <algorithm>
#include <limits>

#include "pipelines/log_softmax.h"

namespace tessera {
namespace {

// Tokens examined before the rest is filtered by the k-th best of them.
constexpr size_t kHeadSize = 1024;

// NaN (from a broken model only) ranks last: the sorts below need a strict order.
float Score(const LogNormalizer& normalizer, float logit) {
  const float logprob = normalizer.LogProb(logit);
  return logprob == logprob ? logprob : -std::numeric_limits<float>::infinity();
}

bool HigherLogProb(const ScoredToken& a, const ScoredToken& b) { return a.logprob > b.logprob; }

}  // namespace

std::vector<ScoredToken> TopLogProbs(std::span<const float> logits, int k) {
  const size_t count = std::min(logits.size(), static_cast<size_t>(std::max(k, 0)));
  if (count == 0) return {};
  const LogNormalizer normalizer = MakeLogNormalizer(logits);
  const size_t head = std::min(logits.size(), std::max(kHeadSize, count));

  std::vector<ScoredToken> tokens;
  tokens.reserve(head + 256);
  for (size_t i = 0; i < head; ++i) {
    tokens.push_back({Score(normalizer, logits[i]), static_cast<int>(i)});
  }
  // partial_sort keeps a heap of `count` and takes a later element only where it beats the heap's
  // lowest, which never falls. So elements that do not beat the head's k-th best can be left out
  // without changing the outcome, ties included.
  std::vector<ScoredToken> ranked = tokens;
  std::nth_element(ranked.begin(), ranked.begin() + (count - 1), ranked.end(), HigherLogProb);
  const float threshold = ranked[count - 1].logprob;
  for (size_t i = head; i < logits.size(); ++i) {
    const float logprob = Score(normalizer, logits[i]);
    if (logprob > threshold) tokens.push_back({logprob, static_cast<int>(i)});
  }
  std::partial_sort(tokens.begin(), tokens.begin() + count, tokens.end(), HigherLogProb);
  tokens.resize(count);
  return tokens;
}

}  // namespace tessera
