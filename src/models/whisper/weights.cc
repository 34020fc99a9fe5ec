#include "models/whisper/weights.h"

#include <string>

namespace tessera {
Status CheckWeights(const WhisperConfig& c, const WhisperWeights& w) {
  const int64_t ad = c.audio_width, td = c.text_width;
  WeightChecker encoder("encoder.");
  encoder.Tensor("conv1.weight", w.conv1.weight, {ad, c.num_mels, 3})
      .Tensor("conv1.bias", w.conv1.bias, {ad})
      .Tensor("conv2.weight", w.conv2.weight, {ad, ad, 3})
      .Tensor("conv2.bias", w.conv2.bias, {ad})
      .Tensor("positions", w.encoder_positions, {c.num_audio_positions, ad});
  for (size_t i = 0; i < w.encoder_layers.size(); ++i) {
    const WhisperEncoderLayer& l = w.encoder_layers[i];
    const std::string p = "layers." + std::to_string(i) + ".";
    encoder.Norm(p + "attention_norm", l.attention_norm, ad)
        .Attention(p + "attention", l.attention, ad, ad)
        .Norm(p + "mlp_norm", l.mlp_norm, ad)
        .Linear(p + "mlp_up", l.mlp_up, ad, 4 * ad)
        .Linear(p + "mlp_down", l.mlp_down, 4 * ad, ad);
  }
  encoder.Norm("norm", w.encoder_norm, ad);
  TESSERA_RETURN_IF_ERROR(encoder.status());

  WeightChecker decoder("decoder.");
  decoder.Tensor("token_embedding", w.token_embedding, {c.vocab_size, td})
      .Tensor("positions", w.decoder_positions, {c.num_text_positions, td});
  for (size_t i = 0; i < w.decoder_layers.size(); ++i) {
    const WhisperDecoderLayer& l = w.decoder_layers[i];
    const std::string p = "layers." + std::to_string(i) + ".";
    decoder.Norm(p + "attention_norm", l.attention_norm, td)
        .Attention(p + "attention", l.attention, td, td)
        .Norm(p + "cross_norm", l.cross_norm, td)
        .Attention(p + "cross", l.cross, td, ad)
        .Norm(p + "mlp_norm", l.mlp_norm, td)
        .Linear(p + "mlp_up", l.mlp_up, td, 4 * td)
        .Linear(p + "mlp_down", l.mlp_down, 4 * td, td);
  }
  decoder.Norm("norm", w.decoder_norm, td);
  return decoder.status();
}

}  // namespace tessera
