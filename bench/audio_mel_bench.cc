// Log-mel spectrogram: both passes over a recording, one thread. "x_real_time" is seconds of audio
// per second. An FFT of n real samples counts as 2.5 n log2(n) operations, whatever it takes.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "audio/log_mel.h"
#include "audio/resampler.h"
#include "core_limits.h"

namespace tessera {
namespace {

constexpr int kSeconds = 300;

void BM_LogMel(benchmark::State& state) {
  std::vector<int16_t> samples(kSeconds * kSampleRate);
  uint32_t noise = 1;
  for (auto& s : samples) s = static_cast<int16_t>((noise = noise * 1664525 + 1013904223) >> 18);
  const AudioClip clip = AudioClip::FromSamples(std::move(samples));
  const int num_mels = static_cast<int>(state.range(0));
  std::vector<float> window(static_cast<size_t>(kWindowFrames * num_mels));
  for (auto _ : state) {
    auto mel = LogMel::Create(clip, num_mels);
    for (int64_t frame = 0; frame < mel->content_frames(); frame += kWindowFrames) {
      benchmark::DoNotOptimize(mel->Frames(frame, kWindowFrames, window).ok());
    }
  }
  state.counters["x_real_time"] =
      benchmark::Counter(kSeconds, benchmark::Counter::kIsIterationInvariantRate);
  // Each pass: window, FFT, power and filters of every frame. The samples are read twice, the
  // frames written once.
  const double frames = kSeconds * 100.0, n = kFftLength;
  const double frame = n + 2.5 * n * std::log2(n) + 3.0 * kNumFrequencies +
                       2.0 * static_cast<double>(MakeMelFilters(num_mels).weights.size());
  CountWork(state, kernels::Precision::kF32, 2 * frames * frame,
            2.0 * kSeconds * kSampleRate * 2 + frames * num_mels * 4);
}
BENCHMARK(BM_LogMel)->Arg(80)->Arg(128)->Unit(benchmark::kMillisecond);

template <typename T>
void BM_Resample(benchmark::State& state) {
  const int rate = static_cast<int>(state.range(0));
  std::vector<T> in(static_cast<size_t>(rate)), out;
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<T>(10000 * std::sin(0.05 * static_cast<double>(i)));
  Resampler<T> resampler(rate, kSampleRate);
  for (auto _ : state) {
    out.clear();
    resampler.Push(in, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["x_real_time"] =
      benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_Resample<int16_t>)->Arg(44100)->Arg(48000)->Arg(8000);
BENCHMARK(BM_Resample<float>)->Arg(44100)->Arg(48000);

}  // namespace
}  // namespace tessera
