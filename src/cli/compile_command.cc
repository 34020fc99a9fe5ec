// `tessera compile`: a model's stages compiled for a chip that need not be here.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "formats/json.h"
#include "models/bert/model.h"
#include "models/family.h"
#include "models/whisper/model.h"
#include "pipelines/calibration.h"
#include "providers/fixed/provider.h"
#include "providers/fixed/run_plan.h"
#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/targets.h"
#include "runtime/model_store.h"

namespace tessera::cli {
namespace {

struct CompileCommandOptions {
  std::string model;
  std::string target = kDefaultQnnTarget;
  std::string output;
  std::string onnxruntime;
  std::string qnn;
  std::string precision = "f16";
  std::vector<std::string> calibrate;
  int minutes = 30;
  bool allow_cpu = false;
};

// Says what is being compiled before the library that does it.
class TellingBackend : public FixedBackend {
 public:
  explicit TellingBackend(std::shared_ptr<const FixedBackend> backend)
      : backend_(std::move(backend)) {}
  const BackendInfo& info() const override { return backend_->info(); }
  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override {
    std::fprintf(stderr, "tessera: compiling %s\n", options.stage.c_str());
    return backend_->Compile(path, options, std::move(stop));
  }

 private:
  const std::shared_ptr<const FixedBackend> backend_;
};

Status CompileWhisper(const std::string& path, std::shared_ptr<const FixedProvider> provider) {
  return WhisperModel::Load(path, std::move(provider), {}).status();
}

// One shape for each length of texts that the model takes.
Status CompileTextEncoder(const std::string& path, std::shared_ptr<const FixedBackend> backend,
                          FixedProviderOptions options) {
  const auto load = [&](int64_t tokens) {
    options.first_text_bucket = tokens;
    return TextEncoder::Load(path, std::make_shared<FixedProvider>(backend, options, 1), {});
  };
  const std::vector<int64_t> all = fixed::TextBuckets(TextEncoder::kMaxTokens);
  TESSERA_ASSIGN_OR_RETURN(const auto encoder, load(all.front()));
  for (size_t i = 1; i < all.size() && all[i - 1] < encoder->settings().max_tokens; ++i) {
    TESSERA_RETURN_IF_ERROR(load(all[i]).status());
  }
  return OkStatus();
}

constexpr std::string_view kF16 = "f16", kA16W8 = "a16w8", kA8W8 = "a8w8";

// The ranges of integers, from the files that were given; null for f16.
Result<std::shared_ptr<const Quantization>> QuantizationOf(const CompileCommandOptions& options,
                                                           const std::string& path) {
  if (options.precision == kF16) return std::shared_ptr<const Quantization>();
  InterruptGuard interrupt;
  Progress progress(IsTerminal(StandardStream::kError));
  CalibrationOptions calibration;
  calibration.onnxruntime = options.onnxruntime;
  calibration.on_progress = [&](double share) {
    progress.Message("calibrating: " + std::to_string(std::lround(share * 100)) + " %");
  };
  TESSERA_ASSIGN_OR_RETURN(Quantization quantization,
                           Calibrate(path, options.precision == kA16W8 ? 16 : 8, options.calibrate,
                                     calibration, interrupt.token()));
  return std::make_shared<const Quantization>(std::move(quantization));
}

Status CheckOptions(const CompileCommandOptions& options) {
  TESSERA_RETURN_IF_ERROR(ParseQnnTarget(options.target).status());
  if (options.precision == kF16 && !options.calibrate.empty())
    return InvalidArgument("--calibrate is for --precision a16w8 and a8w8; f16 needs no ranges");
  if (options.precision != kF16 && options.calibrate.empty())
    return InvalidArgument("--precision " + options.precision +
                           " needs --calibrate: a few minutes of recordings (for an embedding "
                           "model a file of texts, one a line) like those it will be used on");
  return OkStatus();
}

Status CompileAll(const CompileCommandOptions& options) {
  TESSERA_RETURN_IF_ERROR(CheckOptions(options));
  TESSERA_ASSIGN_OR_RETURN(const std::string path, ModelPath(options.model));
  TESSERA_ASSIGN_OR_RETURN(const ModelFamily family, FindModelFamily(path));
  OnnxRuntimeOptions library;
  library.library = options.onnxruntime;
  library.ep_library = options.qnn;
  library.target = options.target;
  library.compile_to = options.output;
  TESSERA_ASSIGN_OR_RETURN(library.quantization, QuantizationOf(options, path));
  TESSERA_ASSIGN_OR_RETURN(auto opened, OpenOnnxRuntimeBackend("qnn", library));
  const auto backend = std::make_shared<const TellingBackend>(std::move(opened));
  FixedProviderOptions provider;
  provider.require_all_nodes = !options.allow_cpu;
  provider.time_limit = std::chrono::minutes(options.minutes);
  return family == ModelFamily::kWhisper
             ? CompileWhisper(path, std::make_shared<const FixedProvider>(backend, provider, 1))
             : CompileTextEncoder(path, backend, provider);
}

uint64_t BytesOf(const nlohmann::json& stage) {
  uint64_t bytes = 0;
  for (const auto& file : stage.value("files", nlohmann::json::array())) {
    bytes += file.value("bytes", uint64_t{0});
  }
  return bytes;
}

// A line for each stage: "whisper.encoder-1b2c  225 nodes on QNNExecutionProvider, 43.9 MB, 4.6 s".
Status PrintManifest(const std::string& folder) {
  const std::string path = JoinPath(folder, "manifest.json");
  TESSERA_ASSIGN_OR_RETURN(const nlohmann::json manifest, ParseJsonFile(path));
  try {
    for (const auto& stage : manifest.at("stages")) {
      const auto& outcome = stage.at("outcome");
      std::map<std::string, int> nodes;
      for (const auto& node : outcome.at("nodes")) ++nodes[node.at("provider").get<std::string>()];
      std::string placed;
      for (const auto& [provider, count] : nodes) {
        placed += (placed.empty() ? "" : " + ") + std::to_string(count) + " nodes on " + provider;
      }
      std::printf("%-40s %s, %.1f MB, %.1f s\n", stage.at("folder").get<std::string>().c_str(),
                  placed.c_str(), static_cast<double>(BytesOf(stage)) / 1e6,
                  outcome.at("compile_seconds").get<double>());
    }
  } catch (const nlohmann::json::exception& error) {
    return DataLoss(path + ": " + error.what());
  }
  return OkStatus();
}

}  // namespace

int RunCompileCommand(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Compiles a model for a Snapdragon's NPU on any 64-bit x86 Linux machine with Qualcomm's "
      "compiler\n(pip install onnxruntime onnxruntime-qnn). Copy the folder to the laptop and run "
      "there\n`tessera transcribe --device onnxruntime:qnn --compiled DIR`.",
      "tessera compile");
  CompileCommandOptions options;
  app.add_option("model", options.model, "a name that tessera models list shows, or a path")
      ->required();
  app.add_option("--target", options.target,
                 "snapdragon-x, or qnn:SOC[,ARCH] with QNN's numbers of the chip and its Hexagon "
                 "architecture")
      ->capture_default_str();
  app.add_option("-o,--output", options.output, "folder for the compiled stages")->required();
  app.add_option("--precision", options.precision,
                 "what the NPU computes in: f16; a16w8 or a8w8: integers of 16 or 8 bits, weights "
                 "of 8 bits")
      ->check(CLI::IsMember({std::string(kF16), std::string(kA16W8), std::string(kA8W8)}))
      ->capture_default_str();
  app.add_option("--calibrate", options.calibrate,
                 "for integers: recordings, or for an embedding model files of texts, one a line; "
                 "they decide the ranges")
      ->check(CLI::ExistingFile);
  app.add_flag("--allow-cpu", options.allow_cpu,
               "keep a stage of which nodes are left to the CPU, instead of failing");
  app.add_option("--time-limit", options.minutes, "minutes for one stage")
      ->check(CLI::Range(1, 24 * 60))
      ->capture_default_str();
  app.add_option("--onnxruntime", options.onnxruntime,
                 "file or folder of ONNX Runtime's library [searched]");
  app.add_option("--qnn", options.qnn, "file or folder of Qualcomm's provider [searched]");
  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;
  Status status = CompileAll(options);
  if (status.ok()) status = PrintManifest(options.output);
  if (status.ok()) return kExitOk;
  PrintError(status.message());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : ExitCodeForModel(status);
}

}  // namespace tessera::cli
