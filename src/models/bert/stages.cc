#include "models/bert/stages.h"

#include "models/layer_builder.h"

namespace tessera {
namespace {

// Token, position and type, summed in the order in which transformers does it, and their norm.
ValueId Embeddings(LayerBuilder& l, const BertConfig& c, const BertWeights& w, ValueId ids,
                   ValueId positions) {
  GraphBuilder& b = l.b;
  const ValueId tokens = b.Constant("token_embedding", w.token_embedding);
  const ValueId places = b.Constant("position_embedding", w.position_embedding);
  ValueId x = b.Gather("token_rows", tokens, ids);
  if (w.type_embedding.data != nullptr) {
    View type_0 = w.type_embedding;
    type_0.shape = {c.width};
    x = b.Add("type_add", x, b.Constant("type_embedding", type_0));
  }
  x = b.Add("embed", x, b.Gather("position_rows", places, positions));
  return l.Norm("embedding_norm", x, w.embedding_norm, c.norm_epsilon);
}

}  // namespace

Result<Graph> BuildBertEncoder(const BertConfig& c, const BertWeights& w) {
  LayerBuilder l("bert.encoder", w);
  GraphBuilder& b = l.b;
  const Dim tokens("tokens");
  const ValueId ids = b.Input("ids", DType::kI32, {tokens});
  const ValueId positions = b.Input("positions", DType::kI32, {tokens});
  const ValueId offsets = b.Input("offsets", DType::kI32, {Dim("sequences", 1, 1)});
  ValueId x = Embeddings(l, c, w, ids, positions);
  const AttentionAttributes heads = HeadAttributes(c.width, c.num_heads);
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const BertLayer& layer = w.layers[i];
    const std::string p = LayerName(i);
    const ValueId q = l.Linear(p + "query", x, layer.attention.query);
    const ValueId k = l.Linear(p + "key", x, layer.attention.key);
    const ValueId v = l.Linear(p + "value", x, layer.attention.value);
    const ValueId a = b.RaggedAttention(p + "attention", q, k, v, offsets, heads);
    const ValueId out = l.Linear(p + "attention_out", a, layer.attention.out);
    x = l.Norm(p + "attention_norm", b.Add(p + "attention_add", out, x), layer.attention_norm,
               c.norm_epsilon);
    const ValueId mlp = l.Mlp(p, x, layer.mlp_up, layer.mlp_down);
    x = l.Norm(p + "mlp_norm", b.Add(p + "mlp_add", mlp, x), layer.mlp_norm, c.norm_epsilon);
  }
  b.Output("hidden", x);
  return b.Build();
}

// Vectors are compared by angles far smaller than what a word of a transcript takes to change.
// Attention hands the error of a value on as it is, so values stay in bf16, and so does attention's
// own arithmetic.
kernels::Precision BertLinearPrecision(std::string_view node, kernels::Precision precision) {
  return node.ends_with(".value") ? BertAttentionPrecision(precision) : precision;
}

kernels::Precision BertAttentionPrecision(kernels::Precision precision) {
  return precision == kernels::Precision::kInt8 ? kernels::Precision::kBf16 : precision;
}

}  // namespace tessera
