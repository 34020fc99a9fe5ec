#include "formats/ctranslate2.h"

#include "models/weight_collector.h"
#include "models/whisper/load.h"

namespace tessera {
namespace {

// CTranslate2 fuses the projections of one input: rows [part * width, (part + 1) * width).
LinearWeights Slice(const LinearWeights& fused, int64_t part, int64_t parts) {
  LinearWeights w;
  if (fused.weight.data == nullptr || fused.weight.shape.size() != 2 ||
      fused.weight.shape[0] % parts != 0)
    return fused;  // CheckWeights reports the shape
  const int64_t width = fused.weight.shape[0] / parts;
  w.weight = fused.weight.Rows(part * width, (part + 1) * width);
  if (fused.bias.data != nullptr && fused.bias.shape == Shape{width * parts})
    w.bias = fused.bias.Rows(part * width, (part + 1) * width);
  return w;
}

AttentionWeights SelfAttention(WeightCollector& c, const std::string& p) {
  const LinearWeights qkv = c.Linear(p + "linear_0", "/");
  return {Slice(qkv, 0, 3), Slice(qkv, 1, 3), Slice(qkv, 2, 3), c.Linear(p + "linear_1", "/")};
}

AttentionWeights CrossAttention(WeightCollector& c, const std::string& p) {
  const LinearWeights kv = c.Linear(p + "linear_1", "/");
  return {c.Linear(p + "linear_0", "/"), Slice(kv, 0, 2), Slice(kv, 1, 2),
          c.Linear(p + "linear_2", "/")};
}

NormWeights Norm(WeightCollector& c, const std::string& p) {
  return c.Norm(p + "gamma", p + "beta");
}

int CountLayers(const WeightFile& file, const std::string& side) {
  int n = 0;
  while (file.Find(side + "/layer_" + std::to_string(n) + "/ffn/linear_0/weight") != nullptr) ++n;
  return n;
}

// A scalar variable of any integer type (num_heads is i16).
Result<int64_t> Scalar(const WeightFile& file, const std::string& name) {
  const Weight* weight = file.Find(name);
  if (weight == nullptr || NumElements(weight->shape) != 1)
    return DataLoss("expected the scalar " + name +
                    ", found none; the file is not a Whisper model "
                    "of a CTranslate2 version that we know");
  switch (weight->view.dtype) {
    case DType::kI8:
      return *weight->view.As<int8_t>();
    case DType::kI32:
      return *weight->view.As<int32_t>();
    case DType::kF32:
      return static_cast<int64_t>(*weight->view.As<float>());  // i16 is widened by the reader
    default:
      return DataLoss(name + ": expected an integer");
  }
}

}  // namespace

Result<WhisperFiles> LoadWhisperCtranslate2(const std::string& folder) {
  TESSERA_ASSIGN_OR_RETURN(Ctranslate2Model model, OpenCtranslate2(folder + "/model.bin"));
  if (model.spec != "WhisperSpec")
    return DataLoss(folder + "/model.bin: expected a CTranslate2 WhisperSpec, found \"" +
                    model.spec + "\"; give a Whisper model");
  WhisperFiles files;
  files.format = "ctranslate2";
  const WeightFile& file = model.weights;
  WeightCollector c(file, files.weights, "Whisper");
  WhisperWeights& w = files.weights;
  w.conv1 = c.Linear("encoder/conv1", "/");
  w.conv2 = c.Linear("encoder/conv2", "/");
  w.encoder_positions = c.Get("encoder/position_encodings/encodings");
  w.encoder_norm = Norm(c, "encoder/layer_norm/");
  w.token_embedding = c.Get("decoder/embeddings/weight");
  w.decoder_positions = c.Get("decoder/position_encodings/encodings");
  w.decoder_norm = Norm(c, "decoder/layer_norm/");
  for (int i = 0, n = CountLayers(file, "encoder"); i < n; ++i) {
    const std::string p = "encoder/layer_" + std::to_string(i) + "/";
    WhisperEncoderLayer l;
    l.attention_norm = Norm(c, p + "self_attention/layer_norm/");
    l.attention = SelfAttention(c, p + "self_attention/");
    l.mlp_norm = Norm(c, p + "ffn/layer_norm/");
    l.mlp_up = c.Linear(p + "ffn/linear_0", "/");
    l.mlp_down = c.Linear(p + "ffn/linear_1", "/");
    w.encoder_layers.push_back(l);
  }
  for (int i = 0, n = CountLayers(file, "decoder"); i < n; ++i) {
    const std::string p = "decoder/layer_" + std::to_string(i) + "/";
    WhisperDecoderLayer l;
    l.attention_norm = Norm(c, p + "self_attention/layer_norm/");
    l.attention = SelfAttention(c, p + "self_attention/");
    l.cross_norm = Norm(c, p + "attention/layer_norm/");
    l.cross = CrossAttention(c, p + "attention/");
    l.mlp_norm = Norm(c, p + "ffn/layer_norm/");
    l.mlp_up = c.Linear(p + "ffn/linear_0", "/");
    l.mlp_down = c.Linear(p + "ffn/linear_1", "/");
    w.decoder_layers.push_back(l);
  }
  TESSERA_RETURN_IF_ERROR(c.status());

  WhisperConfig& config = files.config;
  TESSERA_RETURN_IF_ERROR(InferConfig(w, config));
  TESSERA_ASSIGN_OR_RETURN(config.num_audio_heads, Scalar(file, "encoder/num_heads"));
  TESSERA_ASSIGN_OR_RETURN(config.num_text_heads, Scalar(file, "decoder/num_heads"));
  config.alignment_heads = ReadAlignmentHeads(folder + "/config.json");
  TESSERA_RETURN_IF_ERROR(CheckConfig(config));
  TESSERA_RETURN_IF_ERROR(CheckWeights(config, w));
  return files;
}

}  // namespace tessera
