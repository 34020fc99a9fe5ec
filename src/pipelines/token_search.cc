#include "pipelines/token_search.h"

#include <cmath>
#include <limits>

namespace tessera {

size_t RankCandidates(std::span<const TokenCandidate> candidates,
                      std::optional<double> length_penalty) {
  size_t best = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto length = static_cast<double>(candidates[i].tokens.size());
    if (length == 0 && !length_penalty) continue;
    const double penalty = length_penalty ? std::pow((5 + length) / 6, *length_penalty) : length;
    const double score = candidates[i].sum_logprob / penalty;
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace tessera
