// Whisper's stages on the CPU provider: time of one window and of one decoder step, and where it
// goes.
//
//   models_whisper_bench MODEL_FOLDER [f32|bf16|int8 ...]     (default: all three)
// For each precision: milliseconds of encoder and cross states of one 30 s window, of a decoder
// step with 1, 5 and 8 rows of as many windows at position 60, the best of several runs, and each
// step kind's share of the encoder and decoder.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "models/whisper/load.h"
#include "models/whisper/stages.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

struct Stage {
  Graph graph;
  std::unique_ptr<Program> program;
  std::unique_ptr<ExecutionContext> context;
};

Stage Compile(const CpuProvider& provider, Result<Graph> graph, CompileOptions options) {
  TESSERA_CHECK(graph.ok());
  Stage s{std::move(graph).value(), nullptr, nullptr};
  options.linear_precision = [&](const std::string& node) {
    return WhisperLinearPrecision(s.graph.name(), node, options.precision);
  };
  Result<std::unique_ptr<Program>> program = provider.Compile(s.graph, options);
  TESSERA_CHECK(program.ok());
  s.program = std::move(program).value();
  s.context = s.program->NewContext();
  return s;
}

double Milliseconds(Stage& stage, StateStore* states, const RunBindings& bindings, int repeats) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const auto start = Clock::now();
    TESSERA_CHECK(stage.program->Run(*stage.context, states, bindings, {}).ok());
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best * 1e3;
}

// Chains are named by their first op; layers of one kind are summed.
void PrintShares(Stage& stage, StateStore* states, const RunBindings& bindings, int runs) {
  auto& context = static_cast<cpu::CpuContext&>(*stage.context);
  const cpu::Plan& plan = static_cast<const cpu::CpuProgram&>(*stage.program).plan();
  context.step_seconds.assign(plan.steps.size(), 0.0);
  for (int i = 0; i < runs; ++i)
    TESSERA_CHECK(stage.program->Run(context, states, bindings, {}).ok());
  std::map<std::string, double> kinds;
  double total = 0;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    std::string name = plan.steps[i].name.substr(0, plan.steps[i].name.find(" .. "));
    if (name.rfind("layers.", 0) == 0) name = "layers.*" + name.substr(name.find('.', 7));
    kinds[name] += context.step_seconds[i];
    total += context.step_seconds[i];
  }
  context.step_seconds.clear();
  for (const auto& [name, seconds] : kinds)
    std::printf("    %-32s %8.3f ms  %5.1f %%\n", name.c_str(), seconds * 1e3 / runs,
                100 * seconds / total);
}

View Ids(const std::vector<int32_t>& v) {
  return {v.data(), DType::kI32, {static_cast<int64_t>(v.size())}};
}

void Measure(const WhisperFiles& files, kernels::Precision precision) {
  const WhisperConfig& c = files.config;
  const CpuProvider provider;
  constexpr int kWindows = 8, kPosition = 60;
  CompileOptions options;
  options.precision = precision;
  options.max_dims = {
      {"batch", 1},      {"positions", c.num_audio_positions}, {"tokens", 256},
      {"outputs", 256},  {"history", c.num_text_positions},    {"windows", kWindows},
      {"rows", kWindows}};
  Stage encoder = Compile(provider, BuildWhisperEncoder(c, files.weights), options);
  Stage cross = Compile(provider, BuildWhisperCrossKv(c, files.weights), options);
  Stage decoder = Compile(provider, BuildWhisperDecoder(c, files.weights), options);
  const Graph* graphs[] = {&cross.graph, &decoder.graph};
  auto states = provider.NewStateStore(graphs, options);
  TESSERA_CHECK(states.ok());

  Tensor mel(DType::kF32, {1, c.num_frames(), c.num_mels});
  uint32_t bits = 1;
  for (float& x : mel.Span<float>())
    x = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
  Tensor features(DType::kF32, {1, c.num_audio_positions, c.audio_width});
  std::vector<int32_t> positions(c.num_audio_positions);
  std::iota(positions.begin(), positions.end(), 0);
  const NamedView e_in[] = {{"mel", mel.ViewOf()}, {"position_ids", Ids(positions)}};
  const NamedMutableView e_out[] = {{"features", features.MutableViewOf()}};
  std::printf("%s, %d threads\n", std::string(kernels::PrecisionName(precision)).c_str(),
              provider.num_threads());
  const double encode = Milliseconds(encoder, nullptr, {e_in, e_out}, 7);
  const double seconds = static_cast<double>(c.num_frames()) / 100;
  std::printf("  encoder %.1f ms (%.0fx real time)\n", encode, seconds * 1e3 / encode);
  PrintShares(encoder, nullptr, {e_in, e_out}, 5);

  View rows = features.ViewOf();
  rows.shape = {c.num_audio_positions, c.audio_width};
  double cross_ms = 0;
  for (int32_t w = 0; w < kWindows; ++w) {
    const std::vector<int32_t> slot(c.num_audio_positions, w);
    const NamedView x_in[] = {
        {"features", rows}, {"slot", Ids(slot)}, {"position", Ids(positions)}};
    cross_ms = Milliseconds(cross, states->get(), {x_in, {}}, w == 0 ? 5 : 1);
  }
  std::printf("  cross states %.1f ms\n", cross_ms);

  for (int n : {1, 5, 8}) {
    std::vector<int32_t> token(n, 400), position(n, kPosition), slot(n), length(n, kPosition + 1),
        window(n), window_length(n, static_cast<int32_t>(c.num_audio_positions)), outputs(n);
    std::iota(slot.begin(), slot.end(), 0);
    window = outputs = slot;
    std::vector<int32_t> history;
    for (int r = 0; r < n; ++r) history.insert(history.end(), kPosition + 1, r);
    Tensor logits(DType::kF32, {n, c.vocab_size});
    const NamedView in[] = {{"tokens", Ids(token)},
                            {"position", Ids(position)},
                            {"slot", Ids(slot)},
                            {"history", {history.data(), DType::kI32, {n, kPosition + 1}}},
                            {"length", Ids(length)},
                            {"window", Ids(window)},
                            {"window_length", Ids(window_length)},
                            {"outputs", Ids(outputs)}};
    const NamedMutableView out[] = {{"logits", logits.MutableViewOf()}};
    const double ms = Milliseconds(decoder, states->get(), {in, out}, 40);
    std::printf("  decoder step, %d rows: %.3f ms (%.3f ms a token)\n", n, ms, ms / n);
    PrintShares(decoder, states->get(), {in, out}, 40);
  }
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL_FOLDER [f32|bf16|int8 ...]\n", argv[0]);
    return 2;
  }
  tessera::Result<tessera::WhisperFiles> files = tessera::LoadWhisperFiles(argv[1]);
  if (!files.ok()) {
    std::fprintf(stderr, "%s\n", files.status().ToString().c_str());
    return 1;
  }
  using tessera::kernels::Precision;
  for (Precision p : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    bool wanted = argc == 2;
    for (int i = 2; i < argc; ++i) wanted |= tessera::kernels::PrecisionName(p) == argv[i];
    if (wanted) tessera::Measure(*files, p);
  }
  return 0;
}
