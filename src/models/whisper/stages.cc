#include "models/whisper/stages.h"

#include <string>

#include "models/layer_builder.h"

namespace tessera {
namespace {

// x + down(gelu(up(norm(x))))
template <typename Layer>
ValueId Mlp(LayerBuilder& l, const std::string& p, ValueId x, const Layer& layer) {
  const ValueId h = l.Norm(p + "mlp_norm", x, layer.mlp_norm);
  return l.b.Add(p + "mlp_add", x, l.Mlp(p, h, layer.mlp_up, layer.mlp_down));
}

}  // namespace

Result<Graph> BuildWhisperEncoder(const WhisperConfig& c, const WhisperWeights& w) {
  LayerBuilder l("whisper.encoder", w);
  GraphBuilder& b = l.b;
  ValueId x = b.Input("mel", DType::kF32, {Dim("batch"), Dim("positions", 2), c.num_mels});
  // A window shorter than the model's 30 s uses the first rows of the position table.
  const ValueId rows = b.Input("position_ids", DType::kI32, {Dim("positions")});
  const ValueId table = b.Constant("positions", w.encoder_positions);
  const ValueId positions = b.Gather("position_rows", table, rows);
  x = l.ConvGelu("conv1", x, w.conv1, 1);
  x = l.ConvGelu("conv2", x, w.conv2, 2);
  x = b.Add("embed", x, positions);
  const AttentionAttributes heads = HeadAttributes(c.audio_width, c.num_audio_heads);
  for (size_t i = 0; i < w.encoder_layers.size(); ++i) {
    const WhisperEncoderLayer& layer = w.encoder_layers[i];
    const std::string p = LayerName(i);
    const ValueId h = l.Norm(p + "attention_norm", x, layer.attention_norm);
    const ValueId q = l.Linear(p + "query", h, layer.attention.query);
    const ValueId k = l.Linear(p + "key", h, layer.attention.key);
    const ValueId v = l.Linear(p + "value", h, layer.attention.value);
    const ValueId a = b.Attention(p + "attention", q, k, v, kNoValue, heads);
    x = b.Add(p + "attention_add", x, l.Linear(p + "attention_out", a, layer.attention.out));
    x = Mlp(l, p, x, layer);
  }
  b.Output("features", l.Norm("norm", x, w.encoder_norm));
  return b.Build();
}

Result<Graph> BuildWhisperCrossKv(const WhisperConfig& c, const WhisperWeights& w) {
  LayerBuilder l("whisper.cross_kv", w);
  GraphBuilder& b = l.b;
  const ValueId x = b.Input("features", DType::kF32, {Dim("positions"), c.audio_width});
  const ValueId slot = b.Input("slot", DType::kI32, {Dim("positions")});
  const ValueId position = b.Input("position", DType::kI32, {Dim("positions")});
  const Dims cache = {Dim("windows"), c.num_audio_positions, c.text_width};
  for (size_t i = 0; i < w.decoder_layers.size(); ++i) {
    const AttentionWeights& cross = w.decoder_layers[i].cross;
    const std::string p = LayerName(i), n = std::to_string(i);
    const ValueId keys =
        b.State("cross_key." + n, DType::kF32, cache, {StateUse::kWholeKeys, c.num_text_heads});
    const ValueId values =
        b.State("cross_value." + n, DType::kF32, cache, {StateUse::kWholeValues, c.num_text_heads});
    const ValueId k = l.Linear(p + "cross_key", x, cross.key);
    const ValueId v = l.Linear(p + "cross_value", x, cross.value);
    b.UpdateState(keys, b.CacheWrite(p + "cross_key_write", keys, k, slot, position));
    b.UpdateState(values, b.CacheWrite(p + "cross_value_write", values, v, slot, position));
  }
  return b.Build();
}

Result<Graph> BuildWhisperDecoder(const WhisperConfig& c, const WhisperWeights& w) {
  LayerBuilder l("whisper.decoder", w);
  GraphBuilder& b = l.b;
  const Dim n("tokens");
  const ValueId tokens = b.Input("tokens", DType::kI32, {n});
  const ValueId position = b.Input("position", DType::kI32, {n});
  const ValueId slot = b.Input("slot", DType::kI32, {n});
  const ValueId history = b.Input("history", DType::kI32, {n, Dim("history")});
  const ValueId length = b.Input("length", DType::kI32, {n});
  const ValueId window = b.Input("window", DType::kI32, {n});
  const ValueId window_length = b.Input("window_length", DType::kI32, {n});
  const ValueId outputs = b.Input("outputs", DType::kI32, {Dim("outputs")});
  const ValueId embedding = b.Constant("token_embedding", w.token_embedding);
  const ValueId positions = b.Constant("positions", w.decoder_positions);

  ValueId x = b.Gather("token_rows", embedding, tokens);
  x = b.Add("embed", x, b.Gather("position_rows", positions, position));
  const AttentionAttributes heads = HeadAttributes(c.text_width, c.num_text_heads);
  const Dims self_cache = {Dim("rows"), c.num_text_positions, c.text_width};
  const Dims cross_cache = {Dim("windows"), c.num_audio_positions, c.text_width};
  for (size_t i = 0; i < w.decoder_layers.size(); ++i) {
    const WhisperDecoderLayer& layer = w.decoder_layers[i];
    const std::string p = LayerName(i), s = std::to_string(i);
    const ValueId self_keys = b.State("self_key." + s, DType::kF32, self_cache);
    const ValueId self_values = b.State("self_value." + s, DType::kF32, self_cache);
    const ValueId cross_keys = b.State("cross_key." + s, DType::kF32, cross_cache,
                                       {StateUse::kWholeKeys, c.num_text_heads});
    const ValueId cross_values = b.State("cross_value." + s, DType::kF32, cross_cache,
                                         {StateUse::kWholeValues, c.num_text_heads});

    ValueId h = l.Norm(p + "attention_norm", x, layer.attention_norm);
    ValueId q = l.Linear(p + "query", h, layer.attention.query);
    const ValueId k = l.Linear(p + "key", h, layer.attention.key);
    const ValueId v = l.Linear(p + "value", h, layer.attention.value);
    const ValueId keys = b.CacheWrite(p + "key_write", self_keys, k, slot, position);
    const ValueId values = b.CacheWrite(p + "value_write", self_values, v, slot, position);
    b.UpdateState(self_keys, keys);
    b.UpdateState(self_values, values);
    ValueId a = b.CachedAttention(p + "attention", q, keys, values, history, length, heads);
    x = b.Add(p + "attention_add", x, l.Linear(p + "attention_out", a, layer.attention.out));

    h = l.Norm(p + "cross_norm", x, layer.cross_norm);
    q = l.Linear(p + "cross_query", h, layer.cross.query);
    a = b.CachedAttention(p + "cross", q, cross_keys, cross_values, window, window_length, heads);
    x = b.Add(p + "cross_add", x, l.Linear(p + "cross_out", a, layer.cross.out));
    x = Mlp(l, p, x, layer);
  }
  x = b.Gather("output_rows", l.Norm("norm", x, w.decoder_norm), outputs);
  b.Output("hidden", x);
  b.Output("logits", b.Linear("logits", x, embedding));
  return b.Build();
}

Result<Graph> BuildWhisperStage(std::string_view stage, const WhisperConfig& c,
                                const WhisperWeights& w) {
  if (stage == "encoder") return BuildWhisperEncoder(c, w);
  if (stage == "cross_kv") return BuildWhisperCrossKv(c, w);
  if (stage == "decoder") return BuildWhisperDecoder(c, w);
  return InvalidArgument("no stage \"" + std::string(stage) +
                         "\"; Whisper has encoder, cross_kv and decoder");
}

DimBindings SingleTokenDims(const Graph& stage, const WhisperConfig& c) {
  DimBindings dims;
  for (const std::string& symbol : stage.Symbols()) {
    dims[symbol] = symbol == "positions" ? c.num_audio_positions
                   : symbol == "history" ? c.num_text_positions
                                         : 1;
  }
  return dims;
}

kernels::Precision WhisperLinearPrecision(std::string_view stage, std::string_view node,
                                          kernels::Precision precision) {
  const bool delicate = stage == "whisper.encoder" && node.starts_with("conv");
  return precision == kernels::Precision::kInt8 && delicate ? kernels::Precision::kBf16 : precision;
}

}  // namespace tessera
