#include "pipelines/log_softmax.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace tessera {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock =
    16 * kLanes;  // f32 partial sums this long lose less than 1e-6 of their value
constexpr float kNegInf = -std::numeric_limits<float>::infinity();

// exp(x) for x <= 0, within 2 ulp, 0 below -87.3 (where exp would leave the normal range).
// Branch-free, so that the loops below vectorise: libm's expf over 51865 logits costs as much as a
// decoder layer.
inline float ExpOfNonPositive(float x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2Hi = 0.693359375f,
                  kLn2Lo = -2.12194440e-4f;  // ln 2 in two parts, the first exact in products
  constexpr float kRound = 12582912.0f;      // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = x > -87.3f ? x : -87.3f;
  const float shifted = clamped * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * kLn2Hi) - n * kLn2Lo;
  // Taylor series to r^7 on |r| <= ln(2)/2: the first dropped term is below 6e-9.
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const auto exponent =
      static_cast<uint32_t>(std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound));
  const float scale = std::bit_cast<float>((exponent + 127u) << 23);
  return x > -87.3f ? p * scale : 0.0f;
}

double SumExp(std::span<const float> logits, float max) {
  double total = 0;
  size_t i = 0;
  while (i + kLanes <= logits.size()) {
    const size_t end = std::min(i + kBlock, logits.size() / kLanes * kLanes);
    std::array<float, kLanes> partial{};
    for (; i < end; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        partial[lane] += ExpOfNonPositive(logits[i + lane] - max);
      }
    }
    for (const float x : partial) total += x;
  }
  for (; i < logits.size(); ++i) total += ExpOfNonPositive(logits[i] - max);
  return total;
}

}  // namespace

float MaxLogit(std::span<const float> logits) {
  std::array<float, kLanes> lanes;
  lanes.fill(kNegInf);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
    }
  }
  float max = kNegInf;
  for (const float x : lanes) max = std::max(max, x);
  for (; i < logits.size(); ++i) max = logits[i] > max ? logits[i] : max;
  return max;
}

int64_t ArgMax(std::span<const float> logits) {
  if (logits.empty()) return -1;
  const float max = MaxLogit(logits);
  const auto found = std::find(logits.begin(), logits.end(), max);
  return found == logits.end() ? 0 : found - logits.begin();
}

LogNormalizer MakeLogNormalizer(std::span<const float> logits) {
  const float max = MaxLogit(logits);
  if (max == kNegInf) return {};  // everything forbidden: every log-probability is -inf
  return {max, static_cast<float>(std::log(SumExp(logits, max)))};
}

double ExpScaled(std::span<const float> logits, float scale, std::span<float> weights) {
  const float max = MaxLogit(logits);
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    weights[i] = ExpOfNonPositive((logits[i] - max) * scale);
  for (const float weight : weights) total += weight;
  return total;
}

double LogSumExp(std::span<const float> logits) {
  const float max = MaxLogit(logits);
  if (max == kNegInf) return max;
  return static_cast<double>(max) + std::log(SumExp(logits, max));
}

}  // namespace tessera
