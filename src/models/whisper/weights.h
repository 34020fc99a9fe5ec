// The weights of a Whisper model under Tessera's own names, whatever file they came from. All
// members are views; `owners` keeps the mapped files (and dequantised copies) alive.
#ifndef TESSERA_MODELS_WHISPER_WEIGHTS_H_
#define TESSERA_MODELS_WHISPER_WEIGHTS_H_

#include <functional>
#include <memory>
#include <vector>

#include "base/mapped_file.h"
#include "models/whisper/config.h"
#include "tensor/tensor.h"

namespace tessera {

// weight[out, in] (conv: [out, in, kernel]), bias[out]; bias.data is null where the layer has none
// (Whisper's keys).
struct LinearWeights {
  View weight;
  View bias;
};
struct NormWeights {
  View gamma;
  View beta;
};
struct AttentionWeights {
  LinearWeights query, key, value, out;
};

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

struct WhisperWeights {
  LinearWeights conv1, conv2;
  View encoder_positions;  // [num_audio_positions, width]
  std::vector<WhisperEncoderLayer> encoder_layers;
  NormWeights encoder_norm;
  View token_embedding;    // [vocab, width]; also the output projection
  View decoder_positions;  // [num_text_positions, width]
  std::vector<WhisperDecoderLayer> decoder_layers;
  NormWeights decoder_norm;
  std::vector<std::shared_ptr<const void>> owners;
  std::vector<std::shared_ptr<const MappedFile>> files;  // that the views come from
  // Gives the pages of the mapped files back after a stage was compiled; null when nothing is
  // mapped.
  std::function<void()> release_pages;
};

// Every view against the sizes of `config`: DataLoss naming the first weight whose shape is wrong.
Status CheckWeights(const WhisperConfig& config, const WhisperWeights& weights);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_WEIGHTS_H_
