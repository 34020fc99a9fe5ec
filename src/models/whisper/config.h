// Sizes and token ids of a Whisper model, read from the model's own files.
#ifndef TESSERA_MODELS_WHISPER_CONFIG_H_
#define TESSERA_MODELS_WHISPER_CONFIG_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tessera {

struct WhisperConfig {
  int64_t num_mels = 80;  // 80, or 128 from large-v3 on
  int64_t num_audio_positions = 1500;
  int64_t audio_width = 512;
  int64_t num_audio_heads = 8;
  int64_t num_audio_layers = 6;
  int64_t vocab_size = 51865;
  int64_t num_text_positions = 448;
  int64_t text_width = 512;
  int64_t num_text_heads = 8;
  int64_t num_text_layers = 6;
  // (layer, head) pairs whose cross-attention follows the audio; empty when the files do not say.
  std::vector<std::pair<int, int>> alignment_heads;

  int64_t num_frames() const { return 2 * num_audio_positions; }  // mel frames of one window (3000)
  // openai-whisper's rule: the vocabulary size tells.
  bool is_multilingual() const { return vocab_size >= 51865; }
  int num_languages() const {
    return static_cast<int>(vocab_size) - 51765 - (is_multilingual() ? 1 : 0);
  }
  bool operator==(const WhisperConfig&) const = default;
};

struct WhisperWeights;

// Sizes that the shapes of the weights tell (all but the numbers of heads). DataLoss for tables of
// another rank.
Status InferConfig(const WhisperWeights& weights, WhisperConfig& config);
// Sizes within what a Whisper model can have; bounds every later allocation.
Status CheckConfig(const WhisperConfig& config);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_CONFIG_H_
