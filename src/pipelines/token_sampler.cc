#include "pipelines/token_sampler.h"

#include <vector>

#include "pipelines/log_softmax.h"

namespace tessera {

uint64_t MixBits(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

double CounterUniform(uint64_t seed, uint64_t row, uint64_t step) {
  constexpr uint64_t kGolden =
      0x9E3779B97F4A7C15u;  // an odd constant keeps neighbouring counters apart
  uint64_t x = MixBits(seed + kGolden);
  x = MixBits(x ^ (row * kGolden + 1));
  x = MixBits(x + step * kGolden);
  return static_cast<double>(x >> 11) * 0x1p-53;
}

int SampleToken(std::span<const float> logits, double temperature, double uniform) {
  std::vector<float> weights(logits.size());
  const double total = ExpScaled(logits, static_cast<float>(1.0 / temperature), weights);
  const double target = uniform * total;
  double sum = 0;
  int last_possible = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    sum += weights[i];
    last_possible = static_cast<int>(i);
    if (sum > target) break;
  }
  return last_possible;  // rounding may leave `sum` just below `target` at the end
}

}  // namespace tessera
