// Which language is spoken: the decoder's distribution over the language tokens after
// start-of-transcript.
#ifndef TESSERA_PIPELINES_LANGUAGE_DETECTION_H_
#define TESSERA_PIPELINES_LANGUAGE_DETECTION_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "text/whisper_tokenizer.h"

namespace tessera {

struct LanguageDetection {
  std::string language;  // code of the most probable
  // Every language of the vocabulary, highest first; of equals in the order of the tokens.
  std::vector<std::pair<std::string, double>> probs;
};

// `logits`: f32 [vocab_size] that follow the single token <|startoftranscript|>. The softmax is
// over the language tokens alone. The tokenizer must be multilingual. Thread-safe.
LanguageDetection LanguageFromLogits(const WhisperTokenizer& tokenizer,
                                     std::span<const float> logits);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_LANGUAGE_DETECTION_H_
