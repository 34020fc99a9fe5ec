// Whisper's stages, compiled as WhisperModel compiles them, each with the inputs of an ordinary
// run.
#include <numeric>

#include "bench/measure.h"
#include "models/whisper/load.h"
#include "models/whisper/stages.h"

namespace tessera::bench {
namespace {

constexpr int kMostRows = 8;
constexpr int kDecoderRows[] = {1, kMostRows};
// Tokens before the one that is measured: about the middle of a window's text.
constexpr int32_t kPosition = 60;
constexpr int64_t kMaxTokens = 256;
constexpr double kFramesPerSecond = 100;

View IdsView(const std::vector<int32_t>& ids) {
  return {ids.data(), DType::kI32, {static_cast<int64_t>(ids.size())}};
}

struct Compiled {
  Graph graph;
  std::unique_ptr<Program> program;
};

class WhisperStages {
 public:
  WhisperStages(const MeasureOptions& options, const WhisperFiles& files,
                const CpuProvider& provider, ModelReport& report)
      : options_(options),
        files_(files),
        config_(files.config),
        provider_(provider),
        report_(report),
        positions_(static_cast<size_t>(config_.num_audio_positions)) {
    std::iota(positions_.begin(), positions_.end(), 0);
    compile_.precision = report.precision;
    compile_.max_dims = {{"batch", 1},
                         {"positions", config_.num_audio_positions},
                         {"tokens", kMaxTokens},
                         {"outputs", kMaxTokens},
                         {"history", config_.num_text_positions},
                         {"windows", kMostRows},
                         {"rows", kMostRows}};
  }

  Status Run() {
    TESSERA_RETURN_IF_ERROR(Encode());
    TESSERA_ASSIGN_OR_RETURN(cross_, Compile(BuildWhisperCrossKv(config_, files_.weights)));
    TESSERA_ASSIGN_OR_RETURN(decoder_, Compile(BuildWhisperDecoder(config_, files_.weights)));
    const Graph* graphs[] = {&cross_.graph, &decoder_.graph};
    TESSERA_ASSIGN_OR_RETURN(states_, provider_.NewStateStore(graphs, compile_));
    TESSERA_RETURN_IF_ERROR(CrossStates());
    for (const int rows : kDecoderRows) TESSERA_RETURN_IF_ERROR(Decode(rows));
    return OkStatus();
  }

 private:
  Result<Compiled> Compile(Result<Graph> graph) {
    TESSERA_RETURN_IF_ERROR(graph.status());
    Compiled compiled{std::move(graph).value(), nullptr};
    CompileOptions own = compile_;
    own.linear_precision = [&](const std::string& node) {
      return WhisperLinearPrecision(compiled.graph.name(), node, compile_.precision);
    };
    TESSERA_ASSIGN_OR_RETURN(compiled.program, provider_.Compile(compiled.graph, own));
    files_.weights.release_pages();
    return compiled;
  }

  Status Measure(const Program& program, StateStore* states, const RunBindings& bindings,
                 Stage stage) {
    if (options_.on_part)
      options_.on_part(std::string(kernels::PrecisionName(report_.precision)) + " " + stage.title);
    TESSERA_RETURN_IF_ERROR(MeasureStage(options_, program, states, bindings, stage));
    report_.stages.push_back(std::move(stage));
    return OkStatus();
  }

  double WindowSeconds() const {
    return static_cast<double>(config_.num_frames()) / kFramesPerSecond;
  }

  Status Encode() {
    TESSERA_ASSIGN_OR_RETURN(const Compiled encoder,
                             Compile(BuildWhisperEncoder(config_, files_.weights)));
    Tensor mel(DType::kF32, {1, config_.num_frames(), config_.num_mels});
    uint32_t bits = 1;
    for (float& x : mel.Span<float>())
      x = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
    features_ = Tensor(DType::kF32, {1, config_.num_audio_positions, config_.audio_width});
    const NamedView in[] = {{"mel", mel.ViewOf()}, {"position_ids", IdsView(positions_)}};
    const NamedMutableView out[] = {{"features", features_.MutableViewOf()}};
    return Measure(
        *encoder.program, nullptr, {in, out},
        {.id = "encoder",
         .title = "encoder, " + std::to_string(static_cast<int>(WindowSeconds())) + " s window",
         .audio_seconds = WindowSeconds()});
  }

  // Fills a window's place for each decoder row; the first one is measured.
  Status CrossStates() {
    View rows = features_.ViewOf();
    rows.shape = {config_.num_audio_positions, config_.audio_width};
    for (int32_t window = 0; window < kMostRows; ++window) {
      const std::vector<int32_t> slot(positions_.size(), window);
      const NamedView in[] = {
          {"features", rows}, {"slot", IdsView(slot)}, {"position", IdsView(positions_)}};
      if (window == 0) {
        TESSERA_RETURN_IF_ERROR(Measure(
            *cross_.program, states_.get(), {in, {}},
            {.id = "cross_states", .title = "cross states", .audio_seconds = WindowSeconds()}));
        continue;
      }
      const auto context = cross_.program->NewContext();
      TESSERA_RETURN_IF_ERROR(
          cross_.program->Run(*context, states_.get(), {in, {}}, options_.stop));
    }
    return OkStatus();
  }

  Status Decode(int rows) {
    const auto n = static_cast<size_t>(rows);
    const std::vector<int32_t> token(n, 400), position(n, kPosition), length(n, kPosition + 1);
    std::vector<int32_t> iota(n);
    std::iota(iota.begin(), iota.end(), 0);
    const std::vector<int32_t> window_length(n, static_cast<int32_t>(config_.num_audio_positions));
    std::vector<int32_t> history;
    for (int32_t r = 0; r < rows; ++r) history.insert(history.end(), kPosition + 1, r);
    Tensor hidden(DType::kF32, {rows, config_.text_width});
    Tensor logits(DType::kF32, {rows, config_.vocab_size});
    const NamedView in[] = {{"tokens", IdsView(token)},
                            {"position", IdsView(position)},
                            {"slot", IdsView(iota)},
                            {"history", {history.data(), DType::kI32, {rows, kPosition + 1}}},
                            {"length", IdsView(length)},
                            {"window", IdsView(iota)},
                            {"window_length", IdsView(window_length)},
                            {"outputs", IdsView(iota)}};
    const NamedMutableView out[] = {{"hidden", hidden.MutableViewOf()},
                                    {"logits", logits.MutableViewOf()}};
    return Measure(
        *decoder_.program, states_.get(), {in, out},
        {.id = "decoder_" + std::to_string(rows),
         .title = "decoder step, " + std::to_string(rows) + (rows == 1 ? " row" : " rows"),
         .rows = rows});
  }

  const MeasureOptions& options_;
  const WhisperFiles& files_;
  const WhisperConfig& config_;
  const CpuProvider& provider_;
  ModelReport& report_;
  std::vector<int32_t> positions_;
  CompileOptions compile_;
  Compiled cross_, decoder_;
  std::unique_ptr<StateStore> states_;
  Tensor features_;
};

}  // namespace

Status MeasureWhisper(const MeasureOptions& options, const std::string& name,
                      const std::string& path, Precision precision,
                      const std::shared_ptr<const CpuProvider>& provider, Report& report) {
  if (options.on_part) options.on_part("loading " + name);
  TESSERA_ASSIGN_OR_RETURN(const WhisperFiles files, LoadWhisperFiles(path));
  report.models.push_back({.name = name, .precision = precision});
  return WhisperStages(options, files, *provider, report.models.back()).Run();
}

}  // namespace tessera::bench
