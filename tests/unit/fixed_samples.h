// Stages in small for the tests of FixedProvider: keys and values of a window, a decoder that looks
// at them and at its own past, an encoder that is computed whole, and one of texts.
#ifndef TESSERA_TESTS_UNIT_FIXED_SAMPLES_H_
#define TESSERA_TESTS_UNIT_FIXED_SAMPLES_H_

#include <string>
#include <vector>

#include "tests/unit/graph_samples.h"

namespace tessera::fixed_test {

inline constexpr int64_t kWidth = 32, kHeads = 2, kVocabulary = 13;
inline constexpr int64_t kHistory = 6, kPositions = 5, kRows = 3, kWindows = 2;

inline DimBindings MaxDims() {
  return {{"batch", 1},          {"positions", kPositions}, {"tokens", 40},  {"outputs", 40},
          {"history", kHistory}, {"windows", kWindows},     {"rows", kRows}, {"sequences", 40}};
}

// Of one unit, where the interface of its model does not show them.
inline DimBindings UnitSizes() {
  DimBindings sizes = MaxDims();
  sizes["outputs"] = 1;
  return sizes;
}

class SampleBuilder {
 public:
  SampleBuilder(std::string name, uint32_t seed) : b(std::move(name)), random(seed) {}
  ValueId Weight(const std::string& name, Shape shape) {
    return b.Constant(name, random.Floats(std::move(shape)));
  }
  ValueId Linear(const std::string& name, ValueId x, int64_t out = kWidth) {
    const ValueId weight = Weight(name + ".weight", {out, kWidth});
    return b.Linear(name, x, weight, Weight(name + ".bias", {out}));
  }
  ValueId Norm(const std::string& name, ValueId x) {
    const ValueId gamma = Weight(name + ".gamma", {kWidth});
    return b.LayerNorm(name, x, gamma, Weight(name + ".beta", {kWidth}));
  }
  Graph Build() {
    auto graph = b.Build();
    TESSERA_CHECK(graph.ok());
    return std::move(graph).value();
  }
  GraphBuilder b;
  samples::Random random;
};

inline constexpr AttentionAttributes kAttention = {kHeads, 0.5f, false};

inline Graph CrossKv() {
  SampleBuilder s("small.cross_kv", 1);
  const ValueId x = s.b.Input("features", DType::kF32, {Dim("positions"), kWidth});
  const ValueId slot = s.b.Input("slot", DType::kI32, {Dim("positions")});
  const ValueId position = s.b.Input("position", DType::kI32, {Dim("positions")});
  for (const auto& [name, use] : {std::pair{"cross_key", StateUse::kWholeKeys},
                                  std::pair{"cross_value", StateUse::kWholeValues}}) {
    const ValueId state =
        s.b.State(name, DType::kF32, {Dim("windows"), kPositions, kWidth}, {use, kHeads});
    const std::string made = std::string(name) + ".made";
    s.b.UpdateState(state,
                    s.b.CacheWrite(made + ".write", state, s.Linear(made, x), slot, position));
  }
  return s.Build();
}

// Two layers of self-attention, the first followed by attention to the window.
inline Graph StepDecoder() {
  SampleBuilder s("small.decoder", 2);
  const Dim n("tokens");
  const auto ids = [&](const char* name, Dims dims) { return s.b.Input(name, DType::kI32, dims); };
  const ValueId tokens = ids("tokens", {n}), position = ids("position", {n});
  const ValueId slot = ids("slot", {n}), history = ids("history", {n, Dim("history")});
  const ValueId length = ids("length", {n}), window = ids("window", {n});
  const ValueId window_length = ids("window_length", {n});
  const ValueId outputs = ids("outputs", {Dim("outputs")});
  const ValueId table = s.Weight("embedding", {kVocabulary, kWidth});
  const ValueId places = s.Weight("places", {kHistory, kWidth});
  // One after the other: compilers evaluate arguments in different orders.
  ValueId x = s.b.Gather("token_rows", table, tokens);
  x = s.b.Add("embed", x, s.b.Gather("place_rows", places, position));
  for (const std::string layer : {"0", "1"}) {
    const std::string p = "layers." + layer + ".";
    const ValueId h = s.Norm(p + "norm", x);
    const ValueId q = s.Linear(p + "query", h);
    ValueId caches[2];
    for (const int i : {0, 1}) {
      const std::string name = i == 0 ? "key" : "value";
      const ValueId state =
          s.b.State("self_" + name + "." + layer, DType::kF32, {Dim("rows"), kHistory, kWidth});
      caches[i] = s.b.CacheWrite(p + name + "_write", state, s.Linear(p + name, h), slot, position);
      s.b.UpdateState(state, caches[i]);
    }
    const ValueId a =
        s.b.CachedAttention(p + "attention", q, caches[0], caches[1], history, length, kAttention);
    x = s.b.Add(p + "add", x, s.Linear(p + "out", a));
    if (layer == "1") continue;
    const Dims cross = {Dim("windows"), kPositions, kWidth};
    const ValueId keys = s.b.State("cross_key", DType::kF32, cross, {StateUse::kWholeKeys, kHeads});
    const ValueId values =
        s.b.State("cross_value", DType::kF32, cross, {StateUse::kWholeValues, kHeads});
    x = s.b.Add(p + "cross_add", x,
                s.b.CachedAttention(p + "cross", s.Linear(p + "cross_query", x), keys, values,
                                    window, window_length, kAttention));
  }
  x = s.b.Gather("output_rows", s.Norm("norm", s.b.Gelu("gelu", x)), outputs);
  s.b.Output("hidden", x);
  s.b.Output("logits", s.b.Linear("logits", x, table));
  return s.Build();
}

inline Graph WholeEncoder() {
  SampleBuilder s("small.encoder", 3);
  ValueId x = s.b.Input("mel", DType::kF32, {Dim("batch"), Dim("positions", 2), kWidth});
  const ValueId ids = s.b.Input("position_ids", DType::kI32, {Dim("positions")});
  const ValueId weight = s.Weight("conv.weight", {kWidth, kWidth, 3});
  x = s.b.Gelu("gelu", s.b.Conv1d("conv", x, weight, s.Weight("conv.bias", {kWidth}), {2, 1}));
  x = s.b.Add("embed", x, s.b.Gather("rows", s.Weight("places", {9, kWidth}), ids));
  const ValueId q = s.Linear("query", x), k = s.Linear("key", x), v = s.Linear("value", x);
  s.b.Output("features", s.b.Attention("attention", q, k, v, kNoValue, kAttention));
  return s.Build();
}

inline Graph TextEncoder() {
  SampleBuilder s("small.text", 4);
  const Dim n("tokens");
  const ValueId ids = s.b.Input("ids", DType::kI32, {n});
  const ValueId offsets = s.b.Input("offsets", DType::kI32, {Dim("sequences", 1, 1)});
  ValueId x = s.b.Gather("token_rows", s.Weight("embedding", {kVocabulary, kWidth}), ids);
  for (const char* layer : {"a", "b"}) {
    const std::string p = std::string(layer) + ".";
    const ValueId q = s.Linear(p + "query", x), k = s.Linear(p + "key", x);
    const ValueId v = s.Linear(p + "value", x);
    x = s.Norm(
        p + "norm",
        s.b.Add(p + "add", s.b.RaggedAttention(p + "attention", q, k, v, offsets, kAttention), x));
  }
  s.b.Output("hidden", x);
  return s.Build();
}

inline Tensor Ids(std::vector<int32_t> values, Shape shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  Tensor tensor(DType::kI32, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.As<int32_t>());
  return tensor;
}

// The inputs of one call of StepDecoder: each token with its row and its history.
struct StepToken {
  int32_t token = 0, row = 0, window = 0;
  std::vector<int32_t> history;  // the row that holds each position, this token's last
};
inline std::map<std::string, Tensor> StepInputs(const std::vector<StepToken>& tokens,
                                                const std::vector<int32_t>& window_lengths,
                                                std::vector<int32_t> outputs) {
  const auto n = static_cast<int64_t>(tokens.size());
  size_t longest = 0;
  for (const StepToken& t : tokens) longest = std::max(longest, t.history.size());
  std::map<std::string, std::vector<int32_t>> lists;
  for (const StepToken& t : tokens) {
    const auto length = static_cast<int32_t>(t.history.size());
    lists["tokens"].push_back(t.token);
    lists["position"].push_back(length - 1);
    lists["slot"].push_back(t.row);
    lists["length"].push_back(length);
    lists["window"].push_back(t.window);
    lists["window_length"].push_back(window_lengths[static_cast<size_t>(t.window)]);
    std::vector<int32_t>& history = lists["history"];
    history.insert(history.end(), t.history.begin(), t.history.end());
    // What lies behind the length must not be read.
    history.resize(history.size() + longest - t.history.size(), 99);
  }
  std::map<std::string, Tensor> inputs;
  for (auto& [name, list] : lists)
    inputs.emplace(
        name, Ids(list, name == "history" ? Shape{n, static_cast<int64_t>(longest)} : Shape{n}));
  inputs.emplace("outputs", Ids(std::move(outputs)));
  return inputs;
}

}  // namespace tessera::fixed_test

#endif  // TESSERA_TESTS_UNIT_FIXED_SAMPLES_H_
