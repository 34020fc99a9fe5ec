// The weights of a Whisper model under Tessera's own names, whatever file they came from.
#ifndef TESSERA_MODELS_WHISPER_WEIGHTS_H_
#define TESSERA_MODELS_WHISPER_WEIGHTS_H_

#include <vector>

#include "models/weights.h"
#include "models/whisper/config.h"

namespace tessera {

struct WhisperEncoderLayer {
  NormWeights attention_norm;
  AttentionWeights attention;
  NormWeights mlp_norm;
  LinearWeights mlp_up, mlp_down;
};
struct WhisperDecoderLayer {
  NormWeights attention_norm;
  AttentionWeights attention;
  NormWeights cross_norm;
  AttentionWeights cross;
  NormWeights mlp_norm;
  LinearWeights mlp_up, mlp_down;
};

struct WhisperWeights : ModelWeights {
  LinearWeights conv1, conv2;
  View encoder_positions;  // [num_audio_positions, width]
  std::vector<WhisperEncoderLayer> encoder_layers;
  NormWeights encoder_norm;
  View token_embedding;    // [vocab, width]; also the output projection
  View decoder_positions;  // [num_text_positions, width]
  std::vector<WhisperDecoderLayer> decoder_layers;
  NormWeights decoder_norm;
};

// Every view against the sizes of `config`: DataLoss naming the first weight whose shape is wrong.
Status CheckWeights(const WhisperConfig& config, const WhisperWeights& weights);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_WEIGHTS_H_
