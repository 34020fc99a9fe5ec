#include "pipelines/calibration.h"

#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "models/whisper/probe.h"
#include "pipelines/model_impl.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "providers/quantize/observer.h"
#include "runtime/provider_registry.h"
#include "tessera/embed.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

constexpr const char* kProviderName = "calibration";
constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;
constexpr size_t kTextsAtATime = 64;

// The observed device, for models that ask for it by name.
class CalibrationSource : public ProviderSource {
 public:
  CalibrationSource(std::shared_ptr<const FixedBackend> backend, int bits)
      : backend_(std::move(backend)), bits_(bits) {}

  std::vector<FoundProvider> Find(const ProviderQuery& query) const override {
    if (query.name != kProviderName) return {};
    FoundProvider found;
    found.info = {.name = kProviderName, .device = DeviceKind::kCpu, .usable = true};
    return {found};
  }
  Result<std::shared_ptr<const ExecutionProvider>> Open(
      const ProviderInfo&, const ProviderRequest& request) const override {
    FixedProviderOptions options;
    options.observed_bits = bits_;
    options.require_all_nodes = true;
    return std::shared_ptr<const ExecutionProvider>(
        std::make_shared<FixedProvider>(backend_, options, request.threads));
  }

 private:
  const std::shared_ptr<const FixedBackend> backend_;
  const int bits_;
};

Status RunRecordings(const Model& model, std::span<const std::string> files,
                     const CalibrationOptions& options, std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(Transcriber transcriber, Transcriber::Create(model));
  TranscribeOptions transcribe;
  transcribe.mode = TranscribeMode::kSequential;
  transcribe.temperatures = {0};
  // What the device will be tried with is never outside of the ranges.
  TESSERA_ASSIGN_OR_RETURN(const std::vector<float> probe, ProbeSamples());
  TESSERA_RETURN_IF_ERROR(transcriber.TranscribeSamples(probe, transcribe, {}, stop).status());
  for (size_t i = 0; i < files.size(); ++i) {
    TranscribeCallbacks callbacks;
    callbacks.on_progress = [&](double done, double total) {
      const double part = total > 0 ? done / total : 0;
      if (options.on_progress)
        options.on_progress((static_cast<double>(i) + part) / static_cast<double>(files.size()));
    };
    TESSERA_ASSIGN_OR_RETURN(const Transcript transcript,
                             transcriber.TranscribeFile(files[i], transcribe, callbacks, stop));
    if (transcript.cancelled) return Cancelled("a stop was requested");
  }
  return OkStatus();
}

Status RunTexts(const Model& model, std::span<const std::string> files,
                const CalibrationOptions& options, std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(const Embedder embedder, Embedder::Create(model));
  // What the device will be tried with is never outside of the ranges.
  const std::string_view probe = TextEncoder::ProbeText();
  TESSERA_RETURN_IF_ERROR(embedder.Embed({&probe, 1}, {}, stop).status());
  for (size_t i = 0; i < files.size(); ++i) {
    TESSERA_ASSIGN_OR_RETURN(const std::string content, ReadFile(files[i], kMaxTextBytes));
    std::vector<std::string_view> texts;
    for (size_t begin = 0; begin < content.size();) {
      const size_t end = std::min(content.find('\n', begin), content.size());
      if (end > begin) texts.push_back(std::string_view(content).substr(begin, end - begin));
      begin = end + 1;
    }
    for (size_t done = 0; done < texts.size(); done += kTextsAtATime) {
      const auto part = std::span<const std::string_view>(texts).subspan(
          done, std::min(kTextsAtATime, texts.size() - done));
      TESSERA_RETURN_IF_ERROR(embedder.Embed(part, {}, stop).status());
      if (options.on_progress) {
        const double share = static_cast<double>(done) / static_cast<double>(texts.size());
        options.on_progress((static_cast<double>(i) + share) / static_cast<double>(files.size()));
      }
    }
  }
  return OkStatus();
}

}  // namespace

Result<Quantization> Calibrate(const std::string& model, int activation_bits,
                               std::span<const std::string> files,
                               const CalibrationOptions& options, std::stop_token stop) {
  if (activation_bits != 8 && activation_bits != 16)
    return InvalidArgument("activation bits: expected 8 or 16, found " +
                           std::to_string(activation_bits));
  OnnxRuntimeOptions library;
  library.library = options.onnxruntime;
  library.threads = options.threads > 0 ? options.threads : ThreadPool::UsableCores();
  TESSERA_ASSIGN_OR_RETURN(const auto backend, OpenOnnxRuntimeBackend("cpu", library));
  const auto observer = std::make_shared<RangeObserver>();
  const ScopedProviderSource source(
      std::make_shared<CalibrationSource>(observer->Wrap(backend), activation_bits));
  ModelOptions load;
  load.model = model;
  load.precision = Precision::kF32;
  load.threads = library.threads;
  load.device = kProviderName;
  TESSERA_ASSIGN_OR_RETURN(const Model observed, Model::Load(load));
  // Checks may have run at loading, or been known from an earlier start: they do not count, so that
  // the same files give the same numbers.
  observer->Reset();
  TESSERA_RETURN_IF_ERROR(observed.impl()->whisper != nullptr
                              ? RunRecordings(observed, files, options, stop)
                              : RunTexts(observed, files, options, stop));
  if (observed.device() != backend->info().name)
    return Internal("a stage left the observed device: " + observed.placement());
  Quantization quantization{activation_bits, observer->Statistics()};
  if (quantization.stages.empty()) return InvalidArgument("nothing in the files reached the model");
  return quantization;
}

}  // namespace tessera
