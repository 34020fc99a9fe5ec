#include "models/layer_builder.h"

#include <cmath>

namespace tessera {

LayerBuilder::LayerBuilder(std::string graph_name, const ModelWeights& weights)
    : b(std::move(graph_name)) {
  for (const auto& owner : weights.owners) b.KeepAlive(owner);
}

ValueId LayerBuilder::Linear(const std::string& name, ValueId x, const LinearWeights& w) {
  const ValueId weight = b.Constant(name + ".weight", w.weight);
  return b.Linear(name, x, weight, Bias(name, w));
}

ValueId LayerBuilder::Norm(const std::string& name, ValueId x, const NormWeights& w,
                           float epsilon) {
  const ValueId gamma = b.Constant(name + ".gamma", w.gamma);
  const ValueId beta = b.Constant(name + ".beta", w.beta);
  return b.LayerNorm(name, x, gamma, beta, {.epsilon = epsilon});
}

ValueId LayerBuilder::ConvGelu(const std::string& name, ValueId x, const LinearWeights& w,
                               int64_t stride) {
  const ValueId weight = b.Constant(name + ".weight", w.weight);
  const ValueId y = b.Conv1d(name, x, weight, Bias(name, w), {.stride = stride, .padding = 1});
  return b.Gelu(name + ".gelu", y);
}

ValueId LayerBuilder::Mlp(const std::string& prefix, ValueId x, const LinearWeights& up,
                          const LinearWeights& down) {
  const ValueId g = b.Gelu(prefix + "mlp_gelu", Linear(prefix + "mlp_up", x, up));
  return Linear(prefix + "mlp_down", g, down);
}

ValueId LayerBuilder::Bias(const std::string& name, const LinearWeights& w) {
  return w.bias.data == nullptr ? kNoValue : b.Constant(name + ".bias", w.bias);
}

AttentionAttributes HeadAttributes(int64_t width, int64_t num_heads, bool causal) {
  const float head_dim = static_cast<float>(width) / static_cast<float>(num_heads);
  return {.num_heads = num_heads, .scale = 1.0f / std::sqrt(head_dim), .causal = causal};
}

std::string LayerName(size_t layer) { return "layers." + std::to_string(layer) + "."; }

}  // namespace tessera
