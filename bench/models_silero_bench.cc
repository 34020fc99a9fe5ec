// Silero VAD on the CPU provider: seconds of audio a second ("x real time"), chunks a call.
//
// The model is read from the model store; without it the benchmark says so. Arguments: chunks of a
// call, threads.
#include <benchmark/benchmark.h>

#include "base/file.h"
#include "models/silero/model.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using S = SileroSizes;

void Probabilities(benchmark::State& state) {
  const auto models = ModelsFolder();
  if (!models.ok()) return state.SkipWithError("no model folder");
  const auto model =
      SileroModel::Load(JoinPath(*models, "silero-vad"),
                        std::make_shared<CpuProvider>(static_cast<int>(state.range(1))));
  if (!model.ok()) return state.SkipWithError(model.status().message().c_str());
  const auto session = (*model)->NewSession();
  std::vector<float> samples(static_cast<size_t>(state.range(0) * S::kChunk));
  uint32_t noise = 1;
  for (float& x : samples) {
    noise = noise * 1664525u + 1013904223u;
    x = static_cast<float>(static_cast<int32_t>(noise)) * 0x1p-34f;
  }
  std::vector<float> probabilities(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    if (!session->Run(samples, probabilities, {}).ok()) return state.SkipWithError("failed");
  }
  const double seconds =
      static_cast<double>(state.iterations() * state.range(0) * S::kChunk) / 16000;
  state.counters["x_real_time"] = benchmark::Counter(seconds, benchmark::Counter::kIsRate);
}
BENCHMARK(Probabilities)->Args({1, 1})->Args({256, 1})->Args({256, 2})->Args({4096, 1});

}  // namespace
}  // namespace tessera
