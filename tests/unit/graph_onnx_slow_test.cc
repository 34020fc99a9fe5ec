// Exports graphs and compares ONNX Runtime's results with the interpreter's.
#include <gtest/gtest.h>

#include "graph/interpreter.h"
#include "graph/onnx/export.h"
#include "tests/unit/graph_samples.h"
#include "tests/unit/onnx_oracle.h"

namespace tessera {
namespace {

using samples::Decoder;
using samples::DecoderOptions;
using samples::Encoder;
using samples::EncoderOptions;
using samples::Random;
using samples::Sample;
namespace fs = std::filesystem;

class OnnxExport : public OnnxOracleTest {
 protected:
  // Interprets, exports, and notes the case for Check().
  void Add(const std::string& name, const Sample& sample, const OnnxExportOptions& options = {}) {
    SCOPED_TRACE(name);
    auto states = sample.CopyStates();
    auto outputs = Interpret(sample.graph, sample.InputViews(), &states);
    ASSERT_TRUE(outputs.ok()) << outputs.status().ToString();
    const fs::path folder = AddCase(name);
    const Status status = ExportOnnx(sample.graph, (folder / "model.onnx").string(), options);
    ASSERT_TRUE(status.ok()) << status.ToString();
    for (const auto& [key, tensor] : sample.inputs) {
      AddTensor(folder, "input", key, tensor.ViewOf());
    }
    for (const auto& [key, tensor] : sample.states) {
      AddTensor(folder, "input", "past_" + key, tensor.ViewOf());
    }
    for (const auto& [key, tensor] : *outputs) {
      AddTensor(folder, "output", key, tensor.ViewOf());
    }
    for (const StateUpdate& update : sample.graph.state_updates()) {
      const std::string& state = sample.graph.value(update.state).name;
      AddTensor(folder, "output", "present_" + state, states.at(state).ViewOf());
    }
  }
};

TEST_F(OnnxExport, Encoders) {
  uint32_t seed = 1;
  for (const bool bias : {true, false}) {
    for (const bool lengths : {true, false}) {
      for (const bool causal : {true, false}) {
        EncoderOptions options;
        options.bias = bias;
        options.lengths = lengths;
        options.causal = causal;
        const std::string name = std::string(bias ? "bias" : "plain") +
                                 (lengths ? "_lengths" : "") + (causal ? "_causal" : "");
        const Sample sample = Encoder(options, seed++);
        Add(name, sample);
        Add(name + "_static", sample, {sample.sizes, false, OnnxWeights::kF32});
      }
    }
  }
  Check();
}

TEST_F(OnnxExport, Decoders) {
  uint32_t seed = 100;
  for (const bool paged : {true, false}) {
    for (const DType cache : {DType::kF32, DType::kF16}) {
      const Sample sample = Decoder({paged, cache, DType::kF32, 8}, seed++);
      const std::string name =
          std::string(paged ? "paged_" : "slots_") + std::string(DTypeName(cache));
      Add(name, sample);
      Add(name + "_static", sample, {sample.sizes, false, OnnxWeights::kF32});
    }
  }
  Check();
}

TEST_F(OnnxExport, WeightFormats) {
  EncoderOptions encoder;
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    encoder.weights = dtype;
    const Sample sample = Encoder(encoder, 7);
    Add("encoder_widened_" + std::string(DTypeName(dtype)), sample);
    Add("encoder_f16_" + std::string(DTypeName(dtype)), sample, {{}, false, OnnxWeights::kF16});
  }
  Add("decoder_f16", Decoder({true, DType::kF32, DType::kF16, 8}, 8),
      {{}, false, OnnxWeights::kF16});
  // Matrices above 1 MB, so that some lie outside the model file.
  encoder.weights = DType::kF32;
  encoder.width = 520;
  encoder.layers = 1;
  const Sample wide = Encoder(encoder, 9);
  Add("external", wide, {{}, true, OnnxWeights::kF32});
  EXPECT_GT(fs::file_size(folder_ / "external" / "model.onnx.data"), 5u << 20);
  EXPECT_LT(fs::file_size(folder_ / "external" / "model.onnx"), 1u << 20);
  Add("external_f16", wide, {wide.sizes, true, OnnxWeights::kF16});
  Check();
}

TEST_F(OnnxExport, Recurrent) {
  for (const bool bias : {true, false}) {
    Random random(21);
    GraphBuilder b("recurrent");
    const ValueId x = b.Input("x", DType::kF32, {Dim("steps"), Dim("batch"), 10});
    const ValueId state = b.Input("state", DType::kF32, {2, Dim("batch"), 4});
    const ValueId wave = b.Input("wave", DType::kF32, {2, Dim("steps"), 3});
    const ValueId h =
        b.Lstm("lstm", b.Magnitude("magnitude", x), b.Constant("wi", random.Floats({16, 5})),
               b.Constant("wh", random.Floats({16, 4})),
               bias ? b.Constant("b", random.Floats({16})) : kNoValue, state);
    b.Output("states", h);
    b.Output("hidden", b.Sigmoid("sigmoid", b.Slice("all_but_last", h, {.back = 1})));
    b.Output("inner", b.Slice("inner_rows", h, {.front = 1, .back = 2}));
    b.Output("last", b.Relu("relu", b.Slice("last_rows", h, {.front = 3})));
    // Relu keeps a convolution's layout.
    const ValueId w = b.Constant("conv_weight", random.Floats({4, 3, 3}));
    const ValueId conv = b.Relu("conv_relu", b.Conv1d("conv", wave, w, kNoValue, {1, 1}));
    b.Output("conv",
             b.Conv1d("conv2", conv, b.Constant("w2", random.Floats({2, 4, 1})), kNoValue, {1, 0}));
    auto graph = b.Build();
    ASSERT_TRUE(graph.ok()) << graph.status().ToString();
    Sample sample;
    sample.graph = std::move(graph).value();
    sample.inputs.emplace("x", random.Floats({6, 3, 10}));
    sample.inputs.emplace("state", random.Floats({2, 3, 4}));
    sample.inputs.emplace("wave", random.Floats({2, 6, 3}));
    sample.sizes = {{"steps", 6}, {"batch", 3}};
    const std::string name = bias ? "lstm_bias" : "lstm_plain";
    Add(name, sample);
    Add(name + "_static", sample, {sample.sizes, false, OnnxWeights::kF32});
    Add(name + "_f16", sample, {{}, false, OnnxWeights::kF16});
  }
  Check();
}

TEST_F(OnnxExport, Ragged) {
  Random random(31);
  GraphBuilder b("ragged");
  const Dim tokens("tokens");
  const ValueId q = b.Input("q", DType::kF32, {tokens, 8});
  const ValueId k = b.Input("k", DType::kF32, {tokens, 8});
  const ValueId v = b.Input("v", DType::kF16, {tokens, 8});
  const ValueId offsets = b.Input("offsets", DType::kI32, {Dim("sequences", 1, 1)});
  const ValueId once = b.RaggedAttention("once", q, k, v, offsets, {2, 0.5f, false});
  b.Output("once", once);
  b.Output("twice", b.RaggedAttention("twice", once, q, k, offsets, {4, 0.7f, false}));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  int number = 0;
  for (const std::vector<int32_t>& ends :
       std::vector<std::vector<int32_t>>{{0, 7}, {0, 1, 4, 7}, {0, 2, 2, 5}, {0, 0}}) {
    Sample sample;
    sample.graph = *graph;
    sample.inputs.emplace("q", random.Floats({7, 8}));
    sample.inputs.emplace("k", random.Floats({7, 8}));
    sample.inputs.emplace("v", random.Floats({7, 8}, DType::kF16));
    Tensor positions(DType::kI32, {static_cast<int64_t>(ends.size())});
    std::copy(ends.begin(), ends.end(), positions.As<int32_t>());
    sample.inputs.emplace("offsets", std::move(positions));
    sample.sizes = {{"tokens", 7}, {"sequences", static_cast<int64_t>(ends.size()) - 1}};
    const std::string name = "ragged_" + std::to_string(number++);
    Add(name, sample);
    Add(name + "_static", sample, {sample.sizes, false, OnnxWeights::kF32});
  }
  Check();
}

// What the samples do not have: operands that are computed, outputs in odd places, broadcasts.
TEST_F(OnnxExport, OddPlaces) {
  Random random(11);
  GraphBuilder b("odd");
  const ValueId x = b.Input("x", DType::kF32, {Dim("rows"), 4});
  const ValueId y = b.Input("y", DType::kF32, {3, 4});
  const ValueId z = b.Input("z", DType::kF32, {2, Dim("rows"), 4});
  const ValueId half = b.Input("half", DType::kF16, {Dim("rows"), 4});
  const ValueId ids = b.Input("ids", DType::kI32, {2});
  const ValueId fixed = b.State("fixed", DType::kF16, {5, 4});
  const ValueId kept = b.State("kept", DType::kF32, {2});
  b.UpdateState(kept, kept);
  const ValueId computed = b.Gelu("computed", y);
  b.Output("gemm", b.Linear("computed_weight", x, computed));
  b.Output("matmul", b.Linear("computed_weight_3d", z, computed));
  b.Output("vector", b.Linear("vector_x", b.Constant("vector", random.Floats({4})), computed));
  b.Output("same_twice", computed);
  b.Output("again", computed);
  b.Output("input", x);
  b.Output("constant", b.Constant("table", random.Floats({2, 3})));
  b.Output("picked", b.Gather("picked_rows", fixed, ids));
  b.Output("picked_ids",
           b.Gather("picked_ints", b.Constant("ints", random.Ints({6, 2}, -9, 9)), ids));
  b.Output("mixed", b.Add("half_add", half, x));
  b.Output("row", b.Add("row_add", z, b.Constant("row_value", random.Floats({1, 1, 4}))));
  const ValueId w = b.Constant("conv_weight", random.Floats({3, 4, 2}));
  const ValueId conv = b.Conv1d("conv", z, w, kNoValue, {1, 0});
  b.Output("conv", conv);
  b.Output("gelu", b.Gelu("conv_gelu", conv));
  // Names that collide with outputs and with the exporter's own.
  b.Output("taken", b.Add("past_fixed", b.Gelu("taken", x), x));
  auto graph = b.Build();
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  Sample sample;
  sample.graph = std::move(graph).value();
  sample.inputs.emplace("x", random.Floats({3, 4}));
  sample.inputs.emplace("y", random.Floats({3, 4}));
  sample.inputs.emplace("z", random.Floats({2, 3, 4}));
  sample.inputs.emplace("half", random.Floats({3, 4}, DType::kF16));
  sample.inputs.emplace("ids", random.Ints({2}, 0, 5));
  sample.states.emplace("fixed", random.Floats({5, 4}, DType::kF16));
  sample.states.emplace("kept", random.Floats({2}));
  Add("symbolic", sample);
  Add("static", sample, {{{"rows", 3}}, false, OnnxWeights::kF32});
  Check();
}

}  // namespace
}  // namespace tessera
