// Draws tokens in proportion to exp(logit / temperature), from counter-based random numbers.
//
// The number for (seed, row, step) is SplitMix64's output function over a mix of the three, so a
// draw depends on nothing that happened before it: not on the batch, the order of rows, or a
// resumed run. openai-whisper draws from torch's generator; the distribution is the same, the
// single draws are not. Thread-safe.
#ifndef TESSERA_PIPELINES_TOKEN_SAMPLER_H_
#define TESSERA_PIPELINES_TOKEN_SAMPLER_H_

#include <cstdint>
#include <span>

namespace tessera {

// SplitMix64's output function (Steele, Lea, Flood 2014): a bijection of 64-bit words that hashes
// well.
uint64_t MixBits(uint64_t x);

// Uniform in [0, 1) with 53 bits.
double CounterUniform(uint64_t seed, uint64_t row, uint64_t step);

// Token whose interval of the cumulative distribution holds `uniform` (in [0, 1)). temperature > 0.
// Forbidden tokens (-inf) are never drawn as long as one logit is finite; otherwise 0.
int SampleToken(std::span<const float> logits, double temperature, double uniform);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TOKEN_SAMPLER_H_
