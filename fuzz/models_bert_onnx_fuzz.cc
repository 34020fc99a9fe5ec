// The importer of text encoders on any ONNX file: it gives weights of the sizes that it says, or an
// error.
#include <cstdlib>

#include "models/bert/import_onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = tessera::ParseOnnx({data, size}, nullptr);
  if (!model.ok()) return 0;
  const auto files = tessera::ImportBertOnnx(*model);
  if (!files.ok()) return 0;
  if (!tessera::CheckWeights(files->config, files->weights).ok()) std::abort();
  double sum = 0;
  const auto touch = [&](const tessera::View& view) {
    for (int64_t i = 0; i < view.size(); ++i) sum += tessera::LoadFloat(view.data, view.dtype, i);
  };
  touch(files->weights.token_embedding);
  touch(files->weights.position_embedding);
  for (const tessera::BertLayer& layer : files->weights.layers) {
    for (const auto* linear : {&layer.attention.query, &layer.attention.out, &layer.mlp_down}) {
      touch(linear->weight);
      touch(linear->bias);
    }
    touch(layer.mlp_norm.gamma);
  }
  static volatile double sink;
  sink = sum;
  return 0;
}
