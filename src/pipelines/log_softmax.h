// Log-probabilities of one row of logits, as torch.log_softmax gives them in f32.
//
// torch computes (x - max) - log(sum(exp(x - max))) in f32; so does this, with the sum carried in
// f64 and the exponentials within 2 ulp. Logits of -inf have probability 0. At least one logit must
// be finite and none NaN; otherwise the result is unspecified but no behaviour is undefined. Pure
// functions, thread-safe.
#ifndef TESSERA_PIPELINES_LOG_SOFTMAX_H_
#define TESSERA_PIPELINES_LOG_SOFTMAX_H_

#include <cstdint>
#include <span>

namespace tessera {

// What a row's log-softmax needs besides the row itself.
struct LogNormalizer {
  float max = 0;      // largest logit
  float log_sum = 0;  // log(sum(exp(x - max)))

  // Log-probability of a token with this logit.
  float LogProb(float logit) const { return (logit - max) - log_sum; }
};

LogNormalizer MakeLogNormalizer(std::span<const float> logits);

// log(sum(exp(x))); -inf for an empty span or where all are -inf.
double LogSumExp(std::span<const float> logits);

// weights[i] = exp((logits[i] - max) * scale) for scale > 0; returns their sum. `weights` has the
// size of `logits`.
double ExpScaled(std::span<const float> logits, float scale, std::span<float> weights);

// Index of the largest element, the first of equals; -1 for an empty span. NaN is never the
// largest.
int64_t ArgMax(std::span<const float> logits);

// Largest element; -inf for an empty span.
float MaxLogit(std::span<const float> logits);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_LOG_SOFTMAX_H_
