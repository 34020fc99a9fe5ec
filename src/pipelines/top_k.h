// The k most probable tokens of a row, in the order of torch.topk.
#ifndef TESSERA_PIPELINES_TOP_K_H_
#define TESSERA_PIPELINES_TOP_K_H_

#include <span>
#include <vector>

namespace tessera {

struct ScoredToken {
  float logprob = 0;
  int token = 0;
};

// Log-softmax of `logits`, the k highest, descending; k is cut to the size of the row. Among equal
// log-probabilities the choice and the order are those of torch's CPU backend, which is libstdc++'s
// std::partial_sort over the whole row.
std::vector<ScoredToken> TopLogProbs(std::span<const float> logits, int k);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TOP_K_H_
