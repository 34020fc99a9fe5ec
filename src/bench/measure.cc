#include "bench/measure.h"

#include <algorithm>
#include <map>
#include <span>

#include "audio/log_mel.h"
#include "bench/sampling.h"
#include "kernels/isa.h"
#include "models/silero/model.h"
#include "providers/cpu/plan_cost.h"
#include "runtime/memory_system.h"
#include "tessera/devices.h"
#include "tessera/transcribe.h"

namespace tessera::bench {
namespace {

constexpr uint64_t kUnknownCache = uint64_t{32} << 20;
constexpr uint64_t kSmallestBuffer = uint64_t{64} << 20, kLargestBuffer = uint64_t{1} << 30;

void Announce(const MeasureOptions& options, const std::string& what) {
  if (options.on_part) options.on_part(what);
}

// Far more than the cache holds, and never what the machine cannot spare.
uint64_t ReadBufferBytes(uint64_t llc_bytes) {
  const uint64_t cache = llc_bytes == 0 ? kUnknownCache : llc_bytes;
  uint64_t bytes = std::clamp(std::min(cache, kLargestBuffer) * 8, kSmallestBuffer, kLargestBuffer);
  if (const uint64_t available = AvailableMemoryBytes(); available != 0)
    bytes = std::min(bytes, std::max(available / 4, kernels::kMinReadBuffer));
  return bytes;
}

// White noise at a tenth of full scale; nothing here depends on what is said.
std::vector<int16_t> Noise(int64_t count) {
  std::vector<int16_t> samples(static_cast<size_t>(count));
  uint32_t bits = 1;
  for (int16_t& x : samples) {
    bits = bits * 1664525u + 1013904223u;
    x = static_cast<int16_t>(static_cast<int32_t>(bits >> 16) / 10 - 3276);
  }
  return samples;
}

// The better one's figures, all samples.
void Merge(const Sampled& again, bool less_is_better, Sampled& known) {
  const int samples = known.samples + again.samples;
  if (again.samples > 0 && (known.samples == 0 || (again.best < known.best) == less_is_better))
    known = again;
  known.samples = samples;
}

Status StopStatus(const MeasureOptions& options) {
  return options.stop.stop_requested() ? Cancelled("a stop was requested") : OkStatus();
}

}  // namespace

Status MeasureMachine(const MeasureOptions& options, Report& report) {
  ThreadPool pool(options.threads);
  const CpuInfo cpu = DetectCpu();
  report.machine = {.cpu = cpu.name,
                    .isa = cpu.isa,
                    .threads = pool.num_threads(),
                    .llc_bytes = LastLevelCacheBytes()};
  Limits& limits = report.limits;
  const kernels::LimitSampling sampling{.seconds = options.seconds, .stop = options.stop};
  for (const Precision precision : kPrecisions) {
    Announce(options, "limit of " + std::string(kernels::PrecisionName(precision)));
    Merge(kernels::MeasureOperations(pool, precision, sampling), false,
          limits.operations[static_cast<size_t>(precision)]);
  }
  TESSERA_RETURN_IF_ERROR(StopStatus(options));
  Announce(options, "cache");
  const uint64_t cache = report.machine.llc_bytes == 0 ? kUnknownCache : report.machine.llc_bytes;
  TESSERA_ASSIGN_OR_RETURN(
      const Sampled cache_read,
      kernels::MeasureRead(pool, std::clamp(cache / 2, kernels::kMinReadBuffer, kLargestBuffer),
                           sampling));
  Merge(cache_read, false, limits.cache_read);
  Announce(options, "memory");
  limits.read_buffer_bytes = ReadBufferBytes(report.machine.llc_bytes);
  TESSERA_ASSIGN_OR_RETURN(const Sampled read,
                           kernels::MeasureRead(pool, limits.read_buffer_bytes, sampling));
  Merge(read, false, limits.read);
  Announce(options, "barrier");
  Merge(kernels::MeasureBarrier(pool, sampling), true, limits.barrier);
  return StopStatus(options);
}

Status MeasureLogMel(const MeasureOptions& options, int num_mels, Report& report) {
  constexpr int kSeconds = 60;
  Announce(options, "log-mel");
  const AudioClip clip = AudioClip::FromSamples(Noise(int64_t{kSeconds} * kSampleRate));
  std::vector<float> window(static_cast<size_t>(kWindowFrames) * static_cast<size_t>(num_mels));
  AudioRate rate{.name = "log-mel", .threads = 1, .audio_seconds = kSeconds};
  const auto run = [&]() -> Status {
    TESSERA_ASSIGN_OR_RETURN(const LogMel mel,
                             LogMel::Create(clip, num_mels, nullptr, options.stop));
    for (int64_t frame = 0; frame < mel.content_frames(); frame += kWindowFrames)
      TESSERA_RETURN_IF_ERROR(mel.Frames(frame, kWindowFrames, window));
    return OkStatus();
  };
  TESSERA_RETURN_IF_ERROR(Repeat(options, rate.seconds, run, [](double, bool) {}));
  report.rates.push_back(std::move(rate));
  return OkStatus();
}

Status MeasureSilero(const MeasureOptions& options, const std::string& path,
                     const std::shared_ptr<const CpuProvider>& provider, Report& report) {
  constexpr int64_t kChunk = 512;
  constexpr int64_t kChunks = 8 * SileroSession::kMaxChunks;
  Announce(options, "silero-vad");
  TESSERA_ASSIGN_OR_RETURN(const auto model, SileroModel::Load(path, provider));
  const auto session = model->NewSession();
  std::vector<float> samples;
  for (const int16_t x : Noise(kChunks * kChunk))
    samples.push_back(static_cast<float>(x) * 0x1p-15f);
  std::vector<float> probabilities(kChunks);
  AudioRate rate{.name = "silero-vad",
                 .threads = provider->num_threads(),
                 .audio_seconds = static_cast<double>(kChunks * kChunk) / kSampleRate};
  const auto run = [&] { return session->Run(samples, probabilities, options.stop); };
  TESSERA_RETURN_IF_ERROR(Repeat(options, rate.seconds, run, [](double, bool) {}));
  report.rates.push_back(std::move(rate));
  return OkStatus();
}

Status MeasureStage(const MeasureOptions& options, const Program& program, StateStore* states,
                    const RunBindings& bindings, Stage& stage) {
  const auto& cpu_program = static_cast<const cpu::CpuProgram&>(program);
  const std::unique_ptr<ExecutionContext> context = program.NewContext();
  std::vector<double>& seconds = static_cast<cpu::CpuContext&>(*context).step_seconds;
  std::vector<double> best(cpu_program.plan().steps.size());
  const auto run = [&] {
    seconds.assign(best.size(), 0.0);
    return program.Run(*context, states, bindings, options.stop);
  };
  TESSERA_RETURN_IF_ERROR(Repeat(options, stage.seconds, run, [&](double, bool is_best) {
    if (is_best) best = seconds;
  }));

  TESSERA_ASSIGN_OR_RETURN(const std::vector<cpu::StepCost> costs,
                           cpu::CostOfSteps(cpu_program.plan(), states, bindings));
  std::map<std::string, size_t> known;
  for (size_t i = 0; i < costs.size(); ++i) {
    const Work work{.seconds = best[i], .operations = costs[i].operations, .bytes = costs[i].bytes};
    const auto [it, is_new] = known.emplace(costs[i].kind, stage.steps.size());
    if (is_new) stage.steps.push_back({.name = costs[i].kind});
    StepKind& kind = stage.steps[it->second];
    ++kind.steps;
    kind.work.Add(work);
  }
  return OkStatus();
}

Status MeasureEndToEnd(const MeasureOptions& options, const std::string& path,
                       const std::string& audio_file, Report& report) {
  ModelReport& model = report.models.back();
  Announce(options, "loading " + model.name);
  const auto start = std::chrono::steady_clock::now();
  TESSERA_ASSIGN_OR_RETURN(
      Transcriber transcriber,
      Transcriber::Create(
          {.model = path,
           .precision = model.precision == Precision::kF32    ? tessera::Precision::kF32
                        : model.precision == Precision::kBf16 ? tessera::Precision::kBF16
                                                              : tessera::Precision::kInt8,
           .threads = options.threads}));
  model.load_seconds = SecondsSince(start);
  for (const auto& [mode, name] : {std::pair{TranscribeMode::kSequential, "sequential"},
                                   std::pair{TranscribeMode::kBatched, "batched"}}) {
    Announce(options, std::string("end to end, ") + name);
    EndToEnd result{.mode = name};
    TranscribeOptions transcribe;
    transcribe.mode = mode;
    const auto run = [&]() -> Status {
      TESSERA_ASSIGN_OR_RETURN(
          const Transcript transcript,
          transcriber.TranscribeFile(audio_file, transcribe, {}, options.stop));
      if (transcript.cancelled) return Cancelled("a stop was requested");
      result.audio_seconds = transcript.duration;
      return OkStatus();
    };
    Sampled seconds;
    TESSERA_RETURN_IF_ERROR(Repeat(options, seconds, run, [](double, bool) {}));
    result.work_seconds = seconds.best;
    model.end_to_end.push_back(result);
    report.audio_file = audio_file;
  }
  return OkStatus();
}

}  // namespace tessera::bench
