// A tiny random Whisper in three file formats: equal bits from all, and openai-whisper's tensors
// within its own f32 error.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "formats/safetensors.h"
#include "graph/interpreter.h"
#include "models/whisper/load.h"
#include "models/whisper/stages.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

const std::string kFolder = TESSERA_SOURCE_DIR "/tests/golden/whisper_tiny_random/";

struct Outputs {
  Tensor features, logits;
};

Tensor Range(int64_t n) {
  Tensor t(DType::kI32, {n});
  std::iota(t.As<int32_t>(), t.As<int32_t>() + n, 0);
  return t;
}
Tensor Filled(int64_t n, int32_t value) {
  Tensor t(DType::kI32, {n});
  std::fill_n(t.As<int32_t>(), n, value);
  return t;
}

// All three stages on the CPU: mel -> features -> cross states -> logits of a whole token list.
Outputs RunStages(const WhisperFiles& files, const View& mel, const View& tokens) {
  const WhisperConfig& c = files.config;
  Result<Graph> encoder = BuildWhisperEncoder(c, files.weights);
  Result<Graph> cross = BuildWhisperCrossKv(c, files.weights);
  Result<Graph> decoder = BuildWhisperDecoder(c, files.weights);
  EXPECT_TRUE(encoder.ok() && cross.ok() && decoder.ok()) << decoder.status().ToString();
  CpuProvider provider(2);
  CompileOptions options;
  const int64_t n = tokens.shape[0], positions = c.num_audio_positions;
  options.max_dims = {{"batch", 1},   {"positions", positions}, {"tokens", n}, {"outputs", n},
                      {"history", n}, {"windows", 2},           {"rows", 3}};
  const Graph* graphs[] = {&*cross, &*decoder};
  auto states = provider.NewStateStore(graphs, options);
  EXPECT_TRUE(states.ok()) << states.status().ToString();
  auto run = [&](const Graph& g, std::span<const NamedView> in,
                 std::span<const NamedMutableView> out) {
    auto program = provider.Compile(g, options);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    auto context = (*program)->NewContext();
    const Status status = (*program)->Run(*context, states->get(), {in, out}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
  };
  Outputs o{Tensor(DType::kF32, {1, positions, c.audio_width}),
            Tensor(DType::kF32, {n, c.vocab_size})};
  View window = mel;
  window.shape.insert(window.shape.begin(), 1);
  const Tensor ids = Range(positions), slot = Filled(positions, 1);
  const NamedView e_in[] = {{"mel", window}, {"position_ids", ids.ViewOf()}};
  const NamedMutableView e_out[] = {{"features", o.features.MutableViewOf()}};
  run(*encoder, e_in, e_out);
  View rows = o.features.ViewOf();
  rows.shape = {positions, c.audio_width};
  const NamedView c_in[] = {
      {"features", rows}, {"slot", slot.ViewOf()}, {"position", ids.ViewOf()}};
  run(*cross, c_in, {});
  const Tensor at = Range(n), row = Filled(n, 2), window_id = Filled(n, 1),
               window_length = Filled(n, static_cast<int32_t>(positions));
  Tensor history(DType::kI32, {n, n}), length = Range(n);
  std::fill_n(history.As<int32_t>(), n * n, 2);
  for (int32_t& x : length.Span<int32_t>()) ++x;
  const NamedView d_in[] = {{"tokens", tokens},
                            {"position", at.ViewOf()},
                            {"slot", row.ViewOf()},
                            {"history", history.ViewOf()},
                            {"length", length.ViewOf()},
                            {"window", window_id.ViewOf()},
                            {"window_length", window_length.ViewOf()},
                            {"outputs", at.ViewOf()}};
  Tensor hidden(DType::kF32, {n, c.text_width});
  const NamedMutableView d_out[] = {{"hidden", hidden.MutableViewOf()},
                                    {"logits", o.logits.MutableViewOf()}};
  run(*decoder, d_in, d_out);
  return o;
}

double MaxDifference(const Tensor& got, const View& want) {
  double worst = 0;
  for (int64_t i = 0; i < want.size(); ++i)
    worst =
        std::max(worst, std::fabs(static_cast<double>(got.As<float>()[i]) - want.As<float>()[i]));
  return worst;
}

TEST(WhisperLoadTest, ThreeFormatsGiveOpenaiWhispersTensorsAndEqualBits) {
  Result<WeightFile> golden = OpenSafetensors(kFolder + "expected.safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  const View mel = golden->Find("mel")->view, tokens = golden->Find("tokens")->view;
  Outputs first;
  for (const std::string path : {"hf", "ctranslate2", "ggml-tiny-random.bin"}) {
    SCOPED_TRACE(path);
    Result<WhisperFiles> files = LoadWhisperFiles(kFolder + path);
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    EXPECT_EQ(files->config.num_audio_heads, 4);
    EXPECT_EQ(files->config.num_text_heads, 4);
    Outputs o = RunStages(*files, mel, tokens);
    // Tolerances of expected.json: 4 x openai-whisper's own f32 error against f64.
    EXPECT_LT(MaxDifference(o.features, golden->Find("encoder.output")->view), 5.3436e-6);
    EXPECT_LT(MaxDifference(o.logits, golden->Find("logits")->view), 4.46725e-5);
    if (first.logits.shape().empty()) {
      first = std::move(o);
    } else {
      EXPECT_EQ(0,
                std::memcmp(first.logits.As<float>(), o.logits.As<float>(), o.logits.size() * 4));
      EXPECT_EQ(0, std::memcmp(first.features.As<float>(), o.features.As<float>(),
                               o.features.size() * 4));
    }
  }
}

TEST(WhisperLoadTest, NamesWhatIsWrong) {
  EXPECT_EQ(LoadWhisperFiles(kFolder + "nothing").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(LoadWhisperFiles(TESSERA_SOURCE_DIR "/tests").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(LoadWhisperFiles(kFolder + "expected.json").status().code(), StatusCode::kDataLoss);
  Result<WhisperFiles> files = LoadWhisperFiles(kFolder + "hf");
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  files->weights.decoder_layers[0].mlp_up.weight.shape = {64, 64};
  const Status wrong = CheckWeights(files->config, files->weights);
  EXPECT_EQ(wrong.code(), StatusCode::kDataLoss);
  EXPECT_NE(
      wrong.message().find("decoder.layers.0.mlp_up.weight: expected a float tensor [256, 64]"),
      std::string::npos)
      << wrong.message();
}

}  // namespace
}  // namespace tessera
