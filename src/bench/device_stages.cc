// Whisper's encoder and decoder step on several devices, on the same inputs: the recording that
// devices are tried with.
#include <algorithm>

#include "bench/measure.h"
#include "bench/sampling.h"
#include "models/whisper/load.h"
#include "models/whisper/probe.h"
#include "models/whisper/stages.h"
#include "runtime/numerics_gate.h"
#include "runtime/selection.h"

namespace tessera::bench {
namespace {

using Outputs = std::vector<std::map<std::string, Tensor>>;  // of each run

// A stage on one device, or on the CPU that the others are compared with.
struct Compiled {
  std::unique_ptr<Program> program;
  std::unique_ptr<ExecutionContext> context;
};

class DeviceStages {
 public:
  static Result<std::unique_ptr<DeviceStages>> Create(const MeasureOptions& options,
                                                      const std::string& path) {
    std::unique_ptr<DeviceStages> stages(new DeviceStages(options));
    TESSERA_ASSIGN_OR_RETURN(WhisperFiles files, LoadWhisperFiles(path));
    const WhisperConfig& config = stages->config_ = files.config;
    TESSERA_ASSIGN_OR_RETURN(
        const WhisperTokenizer tokenizer,
        files.text_tokens.empty()
            ? WhisperTokenizer::Load(path, config.vocab_size)
            : WhisperTokenizer::FromVocabulary(VocabularyFromBytes(std::move(files.text_tokens)),
                                               config.vocab_size));
    TESSERA_ASSIGN_OR_RETURN(stages->encoder_, BuildWhisperEncoder(config, files.weights));
    TESSERA_ASSIGN_OR_RETURN(stages->cross_kv_, BuildWhisperCrossKv(config, files.weights));
    TESSERA_ASSIGN_OR_RETURN(stages->decoder_, BuildWhisperDecoder(config, files.weights));
    TESSERA_ASSIGN_OR_RETURN(stages->window_, WhisperEncoderProbe(config));
    TESSERA_ASSIGN_OR_RETURN(stages->words_, WhisperDecoderProbe(config, tokenizer));
    stages->files_ = std::move(files);
    return stages;
  }

  // What the CPU computes in f32.
  Result<Outputs> Reference(const CpuProvider& cpu) {
    return Run(cpu, Precision::kF32, {}, nullptr);
  }

  // The stages compared with `reference`, then each for its time.
  Status Measure(const FallbackProvider& provider, Precision precision, const Outputs& reference,
                 DeviceReport* found) {
    const auto compiled = [&] { found->placement = PlacementLine(provider.Report()); };
    TESSERA_RETURN_IF_ERROR(Run(provider, precision, reference, &found->stages, compiled).status());
    return OkStatus();
  }

 private:
  static constexpr int64_t kMaxTokens = 256;

  explicit DeviceStages(const MeasureOptions& options) : options_(options) {}

  // Everything once, in order, then each of `stages`, unless that is null. `at_end`: before the
  // programs go.
  Result<Outputs> Run(const ExecutionProvider& provider, Precision precision,
                      const Outputs& reference, std::vector<DeviceStage>* stages,
                      const std::function<void()>& at_end = {}) {
    CompileOptions compile;
    compile.precision = precision;
    compile.max_dims = {{"batch", 1},
                        {"positions", config_.num_audio_positions},
                        {"tokens", kMaxTokens},
                        {"outputs", kMaxTokens},
                        {"history", config_.num_text_positions},
                        {"windows", 1},
                        {"rows", 1}};
    TESSERA_ASSIGN_OR_RETURN(const Compiled encoder, Compile(provider, encoder_, compile));
    TESSERA_ASSIGN_OR_RETURN(const Compiled cross_kv, Compile(provider, cross_kv_, compile));
    TESSERA_ASSIGN_OR_RETURN(const Compiled decoder, Compile(provider, decoder_, compile));
    const Graph* graphs[] = {&cross_kv_, &decoder_};
    TESSERA_ASSIGN_OR_RETURN(const auto states, provider.NewStateStore(graphs, compile));
    Outputs outputs;
    TESSERA_RETURN_IF_ERROR(RunOnce(encoder_, encoder, nullptr, window_, &outputs));
    const size_t encoded = outputs.size();
    // The decoder hears what this device's own encoder made.
    TESSERA_ASSIGN_OR_RETURN(const StageProbe features,
                             WhisperCrossKvProbe(config_, encoder_, *encoder.program));
    Outputs none;
    TESSERA_RETURN_IF_ERROR(RunOnce(cross_kv_, cross_kv, states.get(), features, &none));
    TESSERA_RETURN_IF_ERROR(RunOnce(decoder_, decoder, states.get(), words_, &outputs));
    if (stages == nullptr) return outputs;
    const auto measure = [&](const char* id, const Graph& graph, const Compiled& compiled,
                             StateStore* store, const StageProbe& probe, size_t begin,
                             size_t end) -> Status {
      DeviceStage stage{.id = id};
      for (size_t run = begin; run < end; ++run) Note(reference[run], outputs[run], &stage);
      stages->push_back(stage);
      return Repeat(
          options_, stages->back().seconds,
          [&] {
            return RunProbe(graph, *compiled.program, *compiled.context, store, probe.runs.back(),
                            options_.stop)
                .status();
          },
          [](double, bool) {});
    };
    TESSERA_RETURN_IF_ERROR(measure("encoder", encoder_, encoder, nullptr, window_, 0, encoded));
    TESSERA_RETURN_IF_ERROR(
        measure("decoder_1", decoder_, decoder, states.get(), words_, encoded, outputs.size()));
    at_end();
    return outputs;
  }

  Result<Compiled> Compile(const ExecutionProvider& provider, const Graph& graph,
                           CompileOptions options) const {
    options.linear_precision = [&](const std::string& node) {
      return WhisperLinearPrecision(graph.name(), node, options.precision);
    };
    Compiled compiled;
    TESSERA_ASSIGN_OR_RETURN(compiled.program, provider.Compile(graph, options));
    compiled.context = compiled.program->NewContext();
    return compiled;
  }

  Status RunOnce(const Graph& graph, const Compiled& compiled, StateStore* states,
                 const StageProbe& probe, Outputs* outputs) const {
    for (const StageProbe::Inputs& inputs : probe.runs) {
      TESSERA_ASSIGN_OR_RETURN(auto made, RunProbe(graph, *compiled.program, *compiled.context,
                                                   states, inputs, options_.stop));
      outputs->push_back(std::move(made));
    }
    return OkStatus();
  }

  static void Note(const std::map<std::string, Tensor>& reference,
                   const std::map<std::string, Tensor>& found, DeviceStage* stage) {
    for (const auto& [name, tensor] : reference) {
      const Agreement agreement = Compare(tensor.ViewOf(), found.at(name).ViewOf());
      stage->cosine = std::min(stage->cosine, agreement.cosine);
      stage->relative_error = std::max(stage->relative_error, agreement.relative_error);
    }
  }

  const MeasureOptions& options_;
  WhisperFiles files_;
  WhisperConfig config_;
  Graph encoder_, cross_kv_, decoder_;
  StageProbe window_, words_;
};

}  // namespace

Status MeasureDevices(const MeasureOptions& options, const std::string& name,
                      const std::string& path, const std::vector<std::string>& devices,
                      Precision precision, Report& report) {
  if (options.on_part) options.on_part("loading " + name);
  TESSERA_ASSIGN_OR_RETURN(const auto stages, DeviceStages::Create(options, path));
  report.devices_model = name;
  if (options.on_part) options.on_part("the CPU in f32, which the others are compared with");
  const CpuProvider cpu(options.threads);
  TESSERA_ASSIGN_OR_RETURN(const Outputs reference, stages->Reference(cpu));
  for (const std::string& device : devices) {
    if (options.stop.stop_requested()) return Cancelled("a stop was requested");
    if (options.on_part) options.on_part(device);
    DeviceReport found{.device = device};
    const auto measure = [&]() -> Status {
      TESSERA_ASSIGN_OR_RETURN(const SelectionPolicy policy, ParseSelectionPolicy(device, false));
      TESSERA_ASSIGN_OR_RETURN(const auto provider,
                               SelectProviders(policy, {.threads = options.threads}));
      return stages->Measure(*provider, precision, reference, &found);
    };
    const Status status = measure();
    if (status.code() == StatusCode::kCancelled) return status;
    if (!status.ok()) found.error = status.message();
    report.devices.push_back(std::move(found));
  }
  return OkStatus();
}

}  // namespace tessera::bench
