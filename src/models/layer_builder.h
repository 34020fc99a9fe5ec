// Adds layers to a graph with their weights as constants named after the layer.
#ifndef TESSERA_MODELS_LAYER_BUILDER_H_
#define TESSERA_MODELS_LAYER_BUILDER_H_

#include <string>

#include "graph/builder.h"
#include "models/weights.h"

namespace tessera {

class LayerBuilder {
 public:
  // The graph keeps what `weights` keeps.
  LayerBuilder(std::string graph_name, const ModelWeights& weights);

  ValueId Linear(const std::string& name, ValueId x, const LinearWeights& w);
  ValueId Norm(const std::string& name, ValueId x, const NormWeights& w, float epsilon = 1e-5f);
  ValueId ConvGelu(const std::string& name, ValueId x, const LinearWeights& w, int64_t stride);
  // down(gelu(up(x))); nodes PREFIXmlp_up, PREFIXmlp_gelu, PREFIXmlp_down
  ValueId Mlp(const std::string& prefix, ValueId x, const LinearWeights& up,
              const LinearWeights& down);

  GraphBuilder b;

 private:
  ValueId Bias(const std::string& name, const LinearWeights& w);
};

// Scaled by 1 / sqrt(head_dim).
AttentionAttributes HeadAttributes(int64_t width, int64_t num_heads, bool causal = false);
// "layers.3."
std::string LayerName(size_t layer);

}  // namespace tessera

#endif  // TESSERA_MODELS_LAYER_BUILDER_H_
