#include "models/whisper/config.h"

#include <string>

#include "models/whisper/weights.h"

namespace tessera {
namespace {

Status InRange(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return OkStatus();
  return DataLoss(std::string(what) + ": expected " + std::to_string(low) + ".." +
                  std::to_string(high) + ", found " + std::to_string(value) +
                  "; this is not a Whisper model that Tessera knows");
}

}  // namespace

Status InferConfig(const WhisperWeights& w, WhisperConfig& c) {
  if (w.conv1.weight.shape.size() != 3 || w.encoder_positions.shape.size() != 2 ||
      w.token_embedding.shape.size() != 2 || w.decoder_positions.shape.size() != 2)
    return DataLoss("the convolution, position or token tables have another rank than Whisper's");
  c.num_mels = w.conv1.weight.shape[1];
  c.num_audio_positions = w.encoder_positions.shape[0];
  c.audio_width = w.encoder_positions.shape[1];
  c.num_audio_layers = static_cast<int64_t>(w.encoder_layers.size());
  c.vocab_size = w.token_embedding.shape[0];
  c.num_text_positions = w.decoder_positions.shape[0];
  c.text_width = w.token_embedding.shape[1];
  c.num_text_layers = static_cast<int64_t>(w.decoder_layers.size());
  return OkStatus();
}

Status CheckConfig(const WhisperConfig& c) {
  if (c.num_mels != 80 && c.num_mels != 128)
    return DataLoss("expected 80 or 128 mel bands, found " + std::to_string(c.num_mels));
  TESSERA_RETURN_IF_ERROR(InRange("audio positions", c.num_audio_positions, 16, 1500));
  TESSERA_RETURN_IF_ERROR(InRange("text positions", c.num_text_positions, 16, 4096));
  TESSERA_RETURN_IF_ERROR(InRange("audio width", c.audio_width, 16, 8192));
  TESSERA_RETURN_IF_ERROR(InRange("text width", c.text_width, 16, 8192));
  TESSERA_RETURN_IF_ERROR(InRange("encoder layers", c.num_audio_layers, 1, 128));
  TESSERA_RETURN_IF_ERROR(InRange("decoder layers", c.num_text_layers, 1, 128));
  TESSERA_RETURN_IF_ERROR(InRange("vocabulary", c.vocab_size, 64, 1 << 20));
  TESSERA_RETURN_IF_ERROR(InRange("audio heads", c.num_audio_heads, 1, c.audio_width / 16));
  TESSERA_RETURN_IF_ERROR(InRange("text heads", c.num_text_heads, 1, c.text_width / 16));
  if (c.audio_width % c.num_audio_heads != 0 || c.text_width % c.num_text_heads != 0)
    return DataLoss("the width is not a multiple of the number of heads");
  for (const auto& [layer, head] : c.alignment_heads)
    if (layer < 0 || layer >= c.num_text_layers || head < 0 || head >= c.num_text_heads)
      return DataLoss("alignment head (" + std::to_string(layer) + ", " + std::to_string(head) +
                      ") is outside the decoder");
  return OkStatus();
}

}  // namespace tessera
