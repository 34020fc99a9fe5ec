#include "models/bert/weights.h"

#include "models/layer_builder.h"

namespace tessera {

Status CheckWeights(const BertConfig& c, const BertWeights& w) {
  WeightChecker check("");
  check.Tensor("token_embedding", w.token_embedding, {c.vocab_size, c.width})
      .Tensor("position_embedding", w.position_embedding, {c.num_position_rows, c.width})
      .Norm("embedding_norm", w.embedding_norm, c.width);
  if (c.num_token_types > 0)
    check.Tensor("type_embedding", w.type_embedding, {c.num_token_types, c.width});
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const BertLayer& l = w.layers[i];
    const std::string p = LayerName(i);
    check.Attention(p + "attention", l.attention, c.width, c.width)
        .Norm(p + "attention_norm", l.attention_norm, c.width)
        .Linear(p + "mlp_up", l.mlp_up, c.width, c.mlp_width)
        .Linear(p + "mlp_down", l.mlp_down, c.mlp_width, c.width)
        .Norm(p + "mlp_norm", l.mlp_norm, c.width);
  }
  return check.status();
}

}  // namespace tessera
