#include "formats/safetensors.h"

#include "formats/json.h"
#include "models/weight_collector.h"
#include "models/whisper/load.h"

namespace tessera {
namespace {

AttentionWeights Attention(WeightCollector& c, const std::string& p) {
  return {c.Linear(p + "q_proj"), c.Linear(p + "k_proj"), c.Linear(p + "v_proj"),
          c.Linear(p + "out_proj")};
}

NormWeights Norm(WeightCollector& c, const std::string& p) {
  return c.Norm(p + ".weight", p + ".bias");
}

Result<int64_t> Integer(const nlohmann::json& json, const char* key, const std::string& file) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number_integer())
    return DataLoss(file + ": expected the integer \"" + key + "\" of a Whisper configuration");
  return it->get<int64_t>();
}

}  // namespace

Result<WhisperFiles> LoadWhisperSafetensors(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  TESSERA_ASSIGN_OR_RETURN(nlohmann::json json, ParseJsonFile(config_path));
  const auto type = json.is_object() ? json.find("model_type") : json.end();
  if (!json.is_object() || type == json.end() || *type != "whisper")
    return DataLoss(config_path + ": expected \"model_type\": \"whisper\"; give a Whisper model");
  TESSERA_ASSIGN_OR_RETURN(const int64_t encoder_layers,
                           Integer(json, "encoder_layers", config_path));
  TESSERA_ASSIGN_OR_RETURN(const int64_t decoder_layers,
                           Integer(json, "decoder_layers", config_path));
  if (encoder_layers < 1 || encoder_layers > 128 || decoder_layers < 1 || decoder_layers > 128)
    return DataLoss(config_path + ": expected 1..128 layers");

  TESSERA_ASSIGN_OR_RETURN(WeightFile file, OpenSafetensors(folder));
  WhisperFiles files;
  files.format = "safetensors";
  WeightCollector c(file, files.weights, "Whisper");
  WhisperWeights& w = files.weights;
  const std::string root = file.Find("model.encoder.conv1.weight") != nullptr ? "model." : "";
  const std::string e = root + "encoder.", d = root + "decoder.";
  w.conv1 = c.Linear(e + "conv1");
  w.conv2 = c.Linear(e + "conv2");
  w.encoder_positions = c.Get(e + "embed_positions.weight");
  w.encoder_norm = Norm(c, e + "layer_norm");
  w.token_embedding = c.Get(d + "embed_tokens.weight");
  w.decoder_positions = c.Get(d + "embed_positions.weight");
  w.decoder_norm = Norm(c, d + "layer_norm");
  for (int64_t i = 0; i < encoder_layers; ++i) {
    const std::string p = e + "layers." + std::to_string(i) + ".";
    WhisperEncoderLayer l;
    l.attention_norm = Norm(c, p + "self_attn_layer_norm");
    l.attention = Attention(c, p + "self_attn.");
    l.mlp_norm = Norm(c, p + "final_layer_norm");
    l.mlp_up = c.Linear(p + "fc1");
    l.mlp_down = c.Linear(p + "fc2");
    w.encoder_layers.push_back(l);
  }
  for (int64_t i = 0; i < decoder_layers; ++i) {
    const std::string p = d + "layers." + std::to_string(i) + ".";
    WhisperDecoderLayer l;
    l.attention_norm = Norm(c, p + "self_attn_layer_norm");
    l.attention = Attention(c, p + "self_attn.");
    l.cross_norm = Norm(c, p + "encoder_attn_layer_norm");
    l.cross = Attention(c, p + "encoder_attn.");
    l.mlp_norm = Norm(c, p + "final_layer_norm");
    l.mlp_up = c.Linear(p + "fc1");
    l.mlp_down = c.Linear(p + "fc2");
    w.decoder_layers.push_back(l);
  }
  TESSERA_RETURN_IF_ERROR(c.status());

  WhisperConfig& config = files.config;
  TESSERA_RETURN_IF_ERROR(InferConfig(w, config));
  TESSERA_ASSIGN_OR_RETURN(config.num_audio_heads,
                           Integer(json, "encoder_attention_heads", config_path));
  TESSERA_ASSIGN_OR_RETURN(config.num_text_heads,
                           Integer(json, "decoder_attention_heads", config_path));
  config.alignment_heads = ReadAlignmentHeads(folder + "/generation_config.json");
  TESSERA_RETURN_IF_ERROR(CheckConfig(config));
  TESSERA_RETURN_IF_ERROR(CheckWeights(config, w));
  return files;
}

}  // namespace tessera
