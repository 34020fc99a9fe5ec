// Small graphs that use every op, with inputs; shared by the tests of passes, dumps and exports.
#ifndef TESSERA_TESTS_UNIT_GRAPH_SAMPLES_H_
#define TESSERA_TESTS_UNIT_GRAPH_SAMPLES_H_

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "graph/builder.h"

namespace tessera::samples {

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  // Multiples of 1/64 in [-1, 1): exact in f16 and bf16, so that the width of a weight changes no
  // result.
  Tensor Floats(Shape shape, DType dtype = DType::kF32) {
    Tensor tensor(dtype, std::move(shape));
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const float x = static_cast<float>(Below(128) - 64) / 64;
      switch (dtype) {
        case DType::kF16:
          tensor.As<F16>()[i] = ToF16(x);
          break;
        case DType::kBF16:
          tensor.As<BF16>()[i] = ToBF16(x);
          break;
        default:
          tensor.As<float>()[i] = x;
          break;
      }
    }
    return tensor;
  }
  int32_t Below(int32_t end) {
    return static_cast<int32_t>(engine_() % static_cast<uint32_t>(end));
  }
  // i32 in [begin, end).
  Tensor Ints(Shape shape, int32_t begin, int32_t end) {
    Tensor tensor(DType::kI32, std::move(shape));
    for (int32_t& x : tensor.Span<int32_t>()) x = begin + Below(end - begin);
    return tensor;
  }

 private:
  std::mt19937 engine_;
};

struct Sample {
  Graph graph;
  std::map<std::string, Tensor> inputs, states;
  DimBindings sizes;  // of the symbols, as the inputs have them

  std::map<std::string, View> InputViews() const {
    std::map<std::string, View> views;
    for (const auto& [name, tensor] : inputs) views.emplace(name, tensor.ViewOf());
    return views;
  }
  std::map<std::string, Tensor> CopyStates() const {
    std::map<std::string, Tensor> copy;
    for (const auto& [name, tensor] : states) copy.emplace(name, Tensor::CopyOf(tensor.ViewOf()));
    return copy;
  }
};

struct EncoderOptions {
  bool bias = true;
  bool lengths = true;
  bool causal = false;
  DType weights = DType::kF32;
  int64_t width = 8;  // a multiple of 4
  int64_t layers = 2;
};

// Two convolutions, positions, transformer layers: Whisper's encoder in small.
inline Sample Encoder(const EncoderOptions& options, uint32_t seed) {
  Random random(seed);
  GraphBuilder b("encoder");
  const int64_t d = options.width, batch = 2, positions = 6;
  const auto weight = [&](const std::string& name, Shape shape) {
    return b.Constant(name, random.Floats(std::move(shape), options.weights));
  };
  const auto bias = [&](const std::string& name, int64_t size) {
    return options.bias ? weight(name, {size}) : kNoValue;
  };
  const auto linear = [&](const std::string& name, ValueId x, int64_t in, int64_t out) {
    const ValueId w = weight(name + ".weight", {out, in});
    return b.Linear(name, x, w, bias(name + ".bias", out));
  };
  const auto norm = [&](const std::string& name, ValueId x) {
    const ValueId gamma = weight(name + ".gamma", {d});
    return b.LayerNorm(name, x, gamma, weight(name + ".beta", {d}));
  };
  Sample sample;
  const ValueId mel = b.Input("mel", DType::kF32, {Dim("batch"), Dim("positions", 2), 5});
  sample.inputs.emplace("mel", random.Floats({batch, 2 * positions, 5}));
  ValueId lengths = kNoValue;
  if (options.lengths) {
    lengths = b.Input("lengths", DType::kI32, {Dim("batch")});
    Tensor values(DType::kI32, {batch});
    values.As<int32_t>()[0] = 4;
    values.As<int32_t>()[1] = 0;
    sample.inputs.emplace("lengths", std::move(values));
  }
  const ValueId w1 = weight("conv1.weight", {d, 5, 3}), w2 = weight("conv2.weight", {d, d, 3});
  ValueId x = b.Gelu("gelu1", b.Conv1d("conv1", mel, w1, bias("conv1.bias", d), {1, 1}));
  x = b.Gelu("gelu2", b.Conv1d("conv2", x, w2, bias("conv2.bias", d), {2, 1}));
  x = b.Add("shifted", x, weight("shift", {d}));
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    const std::string at = "layer" + std::to_string(layer) + ".";
    const ValueId h = norm(at + "norm1", x);
    const ValueId q = linear(at + "query", h, d, d), k = linear(at + "key", h, d, d);
    const ValueId v = linear(at + "value", h, d, d);
    const ValueId a = b.Attention(at + "attention", q, k, v, lengths, {2, 0.5f, options.causal});
    x = b.Add(at + "add1", x, linear(at + "out", a, d, d));
    const ValueId m = b.Gelu(at + "gelu", linear(at + "up", norm(at + "norm2", x), d, 2 * d));
    x = b.Add(at + "add2", x, linear(at + "down", m, 2 * d, d));
  }
  b.Output("states", norm("norm", x));
  b.Output("before_norm", x);
  auto graph = b.Build();
  TESSERA_CHECK(graph.ok());
  sample.graph = std::move(graph).value();
  sample.sizes = {{"batch", batch}, {"positions", positions}};
  return sample;
}

struct DecoderOptions {
  bool paged = true;
  DType cache = DType::kF32;
  DType weights = DType::kF32;
  int64_t width = 8;
};

// Embedding, cached self-attention, logits with the embedding's own table: Whisper's decoder step
// in small.
inline Sample Decoder(const DecoderOptions& options, uint32_t seed) {
  Random random(seed);
  GraphBuilder b("decoder");
  const int64_t d = options.width, tokens = 3, slots = 4, capacity = 5, vocabulary = 11;
  Sample sample;
  const auto ints = [&](const std::string& name, Dims dims, Tensor value) {
    sample.inputs.emplace(name, std::move(value));
    return b.Input(name, DType::kI32, std::move(dims));
  };
  const auto given = [](std::vector<int32_t> values, Shape shape) {
    Tensor tensor(DType::kI32, std::move(shape));
    std::copy(values.begin(), values.end(), tensor.As<int32_t>());
    return tensor;
  };
  const Dim n("tokens");
  const ValueId ids = ints("ids", {n}, random.Ints({tokens}, 0, vocabulary));
  const ValueId slot = ints("slot", {n}, given({3, 0, 3}, {tokens}));
  const ValueId position = ints("position", {n}, given({1, 4, 2}, {tokens}));
  // The second token sees nothing, and its index is out of range: it must not be read.
  const ValueId length = ints("length", {n}, given({2, 0, 4}, {tokens}));
  const ValueId index = options.paged
                            ? ints("index", {n, Dim("positions")},
                                   given({3, 1, -7, 99, 99, 99, 99, 99, 3, 0, 3, 2}, {tokens, 4}))
                            : ints("index", {n}, given({3, 99, 1}, {tokens}));
  const auto weight = [&](const std::string& name, Shape shape) {
    return b.Constant(name, random.Floats(std::move(shape), options.weights));
  };
  const ValueId table = weight("embedding", {vocabulary, d});
  const ValueId x = b.Gather("embed", table, ids);
  const auto linear = [&](const std::string& name, ValueId in) {
    return b.Linear(name, in, weight(name + ".weight", {d, d}));
  };
  std::vector<ValueId> caches;
  for (const char* name : {"keys", "values"}) {
    const ValueId state = b.State(name, options.cache, {slots, capacity, d});
    sample.states.emplace(name, random.Floats({slots, capacity, d}, options.cache));
    const std::string from = name;
    caches.push_back(
        b.CacheWrite(from + ".write", state, linear(from + ".proj", x), slot, position));
    b.UpdateState(state, caches.back());
  }
  const ValueId q = linear("query", x);
  const ValueId a =
      b.CachedAttention("attention", q, caches[0], caches[1], index, length, {2, 0.5f, false});
  b.Output("logits", b.Linear("logits", b.Add("sum", x, a), table));
  auto graph = b.Build();
  TESSERA_CHECK(graph.ok());
  sample.graph = std::move(graph).value();
  sample.sizes = {{"tokens", tokens}};
  if (options.paged) sample.sizes["positions"] = 4;
  return sample;
}

}  // namespace tessera::samples

#endif  // TESSERA_TESTS_UNIT_GRAPH_SAMPLES_H_
