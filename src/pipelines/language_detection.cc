#include "pipelines/language_detection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "pipelines/log_softmax.h"

namespace tessera {

LanguageDetection LanguageFromLogits(const WhisperTokenizer& tokenizer,
                                     std::span<const float> logits) {
  const auto begin = static_cast<size_t>(tokenizer.language_begin());
  const auto count = static_cast<size_t>(tokenizer.num_languages());
  TESSERA_CHECK(count > 0 && begin + count <= logits.size());
  const std::span<const float> languages = logits.subspan(begin, count);
  const LogNormalizer normalizer = MakeLogNormalizer(languages);
  std::vector<double> probs;
  for (const float logit : languages) {
    probs.push_back(std::exp(static_cast<double>(normalizer.LogProb(logit))));
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return probs[a] != probs[b] ? probs[a] > probs[b] : a < b; });
  LanguageDetection detection;
  for (const size_t i : order) {
    detection.probs.emplace_back(tokenizer.LanguageCode(static_cast<int>(begin + i)), probs[i]);
  }
  detection.language = detection.probs.front().first;
  return detection;
}

}  // namespace tessera
