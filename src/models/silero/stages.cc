#include "models/silero/stages.h"

#include "graph/builder.h"

namespace tessera {

using S = SileroSizes;

Result<Graph> BuildSileroFeatures(const SileroWeights& w) {
  GraphBuilder b("silero.features");
  for (const auto& owner : w.owners) b.KeepAlive(owner);
  ValueId x = b.Input("samples", DType::kF32, {Dim("chunks"), S::kInput, 1});
  x = b.Conv1d("stft", x, b.Constant("stft.basis", w.basis), kNoValue, {.stride = S::kHop});
  x = b.Magnitude("spectrum", x);
  for (size_t i = 0; i < w.convs.size(); ++i) {
    const std::string name = "conv" + std::to_string(i + 1);
    const ValueId weight = b.Constant(name + ".weight", w.convs[i].weight);
    const ValueId bias = b.Constant(name + ".bias", w.convs[i].bias);
    x = b.Conv1d(name, x, weight, bias, {.stride = kSileroStrides[i], .padding = 1});
    x = b.Relu(name + ".relu", x);
  }
  b.Output("features", x);
  return b.Build();
}

Result<Graph> BuildSileroRecurrent(const SileroWeights& w) {
  GraphBuilder b("silero.recurrent");
  for (const auto& owner : w.owners) b.KeepAlive(owner);
  ValueId x = b.Input("features", DType::kF32, {Dim("chunks"), 1, S::kHidden});
  const ValueId state = b.Input("state", DType::kF32, {2, 1, S::kHidden});
  x = b.Lstm("lstm", x, b.Constant("lstm.weight_ih", w.lstm_ih),
             b.Constant("lstm.weight_hh", w.lstm_hh), b.Constant("lstm.bias", w.lstm_bias), state);
  b.Output("states", x);
  x = b.Relu("head.relu", b.Slice("hidden", x, {.back = 1}));
  x = b.Linear("head", x, b.Constant("head.weight", w.head_weight),
               b.Constant("head.bias", w.head_bias));
  b.Output("probability", b.Sigmoid("head.sigmoid", x));
  return b.Build();
}

}  // namespace tessera
