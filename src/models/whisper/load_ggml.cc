#include "formats/ggml.h"

#include "models/weight_collector.h"
#include "models/whisper/load.h"

namespace tessera {
namespace {

AttentionWeights Attention(WeightCollector& c, const std::string& p) {
  return {c.Linear(p + "query"), c.Linear(p + "key"), c.Linear(p + "value"), c.Linear(p + "out")};
}

NormWeights Norm(WeightCollector& c, const std::string& p) {
  return c.Norm(p + ".weight", p + ".bias");
}

// whisper.cpp stores a convolution's bias as [channels, 1].
LinearWeights Conv(WeightCollector& c, const std::string& name) {
  LinearWeights w = c.Linear(name);
  if (w.bias.shape.size() == 2 && w.bias.shape[1] == 1) w.bias.shape.pop_back();
  return w;
}

}  // namespace

Result<WhisperFiles> LoadWhisperGgml(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(GgmlWhisperModel model, OpenGgmlWhisper(path));
  const GgmlWhisperParams& params = model.params;
  if (params.audio_layers < 1 || params.audio_layers > 128 || params.text_layers < 1 ||
      params.text_layers > 128)
    return DataLoss(path + ": expected 1..128 layers");
  WhisperFiles files;
  files.format = "ggml";
  WeightCollector c(model.weights, files.weights, "Whisper");
  WhisperWeights& w = files.weights;
  w.conv1 = Conv(c, "encoder.conv1");
  w.conv2 = Conv(c, "encoder.conv2");
  w.encoder_positions = c.Get("encoder.positional_embedding");
  w.encoder_norm = Norm(c, "encoder.ln_post");
  w.token_embedding = c.Get("decoder.token_embedding.weight");
  w.decoder_positions = c.Get("decoder.positional_embedding");
  w.decoder_norm = Norm(c, "decoder.ln");
  for (int i = 0; i < params.audio_layers; ++i) {
    const std::string p = "encoder.blocks." + std::to_string(i) + ".";
    WhisperEncoderLayer l;
    l.attention_norm = Norm(c, p + "attn_ln");
    l.attention = Attention(c, p + "attn.");
    l.mlp_norm = Norm(c, p + "mlp_ln");
    l.mlp_up = c.Linear(p + "mlp.0");
    l.mlp_down = c.Linear(p + "mlp.2");
    w.encoder_layers.push_back(l);
  }
  for (int i = 0; i < params.text_layers; ++i) {
    const std::string p = "decoder.blocks." + std::to_string(i) + ".";
    WhisperDecoderLayer l;
    l.attention_norm = Norm(c, p + "attn_ln");
    l.attention = Attention(c, p + "attn.");
    l.cross_norm = Norm(c, p + "cross_attn_ln");
    l.cross = Attention(c, p + "cross_attn.");
    l.mlp_norm = Norm(c, p + "mlp_ln");
    l.mlp_up = c.Linear(p + "mlp.0");
    l.mlp_down = c.Linear(p + "mlp.2");
    w.decoder_layers.push_back(l);
  }
  TESSERA_RETURN_IF_ERROR(c.status());
  WhisperConfig& config = files.config;
  TESSERA_RETURN_IF_ERROR(InferConfig(w, config));
  config.num_audio_heads = params.audio_heads;
  config.num_text_heads = params.text_heads;
  files.text_tokens = std::move(model.tokens);
  TESSERA_RETURN_IF_ERROR(CheckConfig(config));
  Status checked = CheckWeights(config, w);
  if (!checked.ok()) return std::move(checked).AddContext(path);
  return files;
}

}  // namespace tessera
