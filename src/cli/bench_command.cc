#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/terminal.h"
#include "bench/measure.h"
#include "bench/roofline_svg.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "pipelines/model_impl.h"
#include "pipelines/silero_detector.h"
#include "runtime/model_store.h"
#include "tessera/devices.h"
#include "tessera_version.h"

namespace tessera::cli {
namespace {

constexpr int kDefaultMels = 80;  // of every Whisper before large-v3
constexpr double kDefaultSeconds = 1, kLeastSeconds = 0.001, kMostSeconds = 600;
constexpr int kMostThreads = 1024;

struct BenchOptions {
  std::string model;  // empty: the default, if it is there
  std::string precision = "auto";
  int threads = 0;
  double seconds = kDefaultSeconds;
  std::string audio, html, svg;
  std::vector<std::string> devices;
  bool json = false, quiet = false;
};

std::vector<kernels::Precision> Precisions(const std::string& name) {
  using kernels::Precision;
  if (name == "all") return {Precision::kF32, Precision::kBf16, Precision::kInt8};
  // What `transcribe` takes by default.
  if (name == "auto") return {KernelPrecision(ResolvePrecision(tessera::Precision::kAuto))};
  for (const Precision p : bench::kPrecisions)
    if (kernels::PrecisionName(p) == name) return {p};
  return {};
}

Status Print(const std::string& text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return OkStatus();
  return ResourceExhausted(std::string("could not write to stdout: ") + std::strerror(errno));
}

class BenchRun {
 public:
  explicit BenchRun(BenchOptions options)
      : options_(std::move(options)),
        progress_(!options_.quiet && IsTerminal(StandardStream::kError)) {
    measure_.seconds = options_.seconds;
    measure_.threads = options_.threads;
    measure_.stop = interrupt_.token();
    measure_.on_part = [this](const std::string& what) { progress_.Message("measuring: " + what); };
    const std::string commit = TESSERA_GIT_COMMIT;
    report_.version = std::string(TESSERA_VERSION) + (commit.empty() ? "" : " (" + commit + ")");
  }

  int Run() {
    std::string path;
    if (const Status found = FindModel(path); !found.ok()) return Fail(found);
    Status measured = options_.devices.empty() ? Measure(path) : MeasureDevices(path);
    // Whoever was busy at the start may not be at the end.
    if (measured.ok() && !path.empty() && options_.devices.empty())
      measured = bench::MeasureMachine(measure_, report_);
    bench::ApplyLimits(report_);
    NoteNoise();
    progress_.Clear();
    report_.interrupted = interrupt_.interrupted();
    if (!measured.ok() && measured.code() != StatusCode::kCancelled) return Fail(measured);
    if (report_.interrupted)
      report_.notes.push_back("Interrupted: what is missing was not measured.");
    if (const Status written = Write(); !written.ok()) {
      PrintError(written.message());
      return ExitCodeForFile(written);
    }
    if (!end_to_end_.ok()) {
      PrintError(end_to_end_.message());
      return ExitCodeForFile(end_to_end_);
    }
    if (report_.interrupted) return kExitInterrupted;
    const bool all = std::ranges::all_of(
        report_.devices, [](const bench::DeviceReport& device) { return device.error.empty(); });
    return all ? kExitOk : kExitDeviceUnavailable;
  }

 private:
  // The best of short samples finds a quiet moment where a long run cannot.
  void NoteNoise() {
    constexpr double kQuiet = 0.85;
    for (const kernels::Sampled& s : report_.limits.operations) {
      if (s.samples == 0 || s.median >= kQuiet * s.best) continue;
      report_.notes.emplace_back(
          "Other programs were using the cores: shares are lower than on a quiet machine.");
      return;
    }
  }

  int Fail(const Status& status) {
    progress_.Clear();
    PrintError(status.message());
    return input_missing_ ? ExitCodeForFile(status) : ExitCodeForModel(status);
  }

  // A model that was asked for must be there; without the default one the limits are worth
  // measuring alone.
  Status FindModel(std::string& path) {
    if (!options_.audio.empty() && !FileExists(options_.audio)) {
      input_missing_ = true;
      return NotFound(options_.audio + ": no such file; --audio takes a recording");
    }
    const bool by_default = options_.model.empty();
    if (by_default) options_.model = kDefaultSpeechModel;
    Result<std::string> found = ModelPath(options_.model);
    if (found.ok()) {
      path = std::move(found).value();
      return OkStatus();
    }
    if (!by_default) return found.status();
    report_.notes.push_back(
        "No model: encoder and decoder were not measured; tessera models pull " + options_.model +
        " installs one.");
    return OkStatus();
  }

  Status Measure(const std::string& path) {
    TESSERA_RETURN_IF_ERROR(bench::MeasureMachine(measure_, report_));
    const auto provider = std::make_shared<const CpuProvider>(options_.threads);
    TESSERA_RETURN_IF_ERROR(bench::MeasureLogMel(measure_, kDefaultMels, report_));
    TESSERA_RETURN_IF_ERROR(MeasureDetector(provider));
    if (path.empty()) return OkStatus();
    for (const kernels::Precision precision : Precisions(options_.precision)) {
      TESSERA_RETURN_IF_ERROR(
          bench::MeasureWhisper(measure_, options_.model, path, precision, provider, report_));
      if (options_.audio.empty()) continue;
      const Status status = bench::MeasureEndToEnd(measure_, path, options_.audio, report_);
      if (status.code() == StatusCode::kCancelled) return status;
      // A bad recording does not cost the other figures.
      if (!status.ok()) end_to_end_ = status;
    }
    if (options_.audio.empty())
      report_.notes.emplace_back(
          "End to end was not measured: give a recording with --audio FILE.");
    return OkStatus();
  }

  Status MeasureDevices(const std::string& path) {
    report_.machine = {
        .cpu = DetectCpu().name,
        .isa = DetectCpu().isa,
        .threads = options_.threads > 0 ? options_.threads : DetectCpu().usable_cores};
    if (path.empty()) return OkStatus();
    return bench::MeasureDevices(measure_, options_.model, path, options_.devices,
                                 Precisions(options_.precision).front(), report_);
  }

  Status MeasureDetector(const std::shared_ptr<const CpuProvider>& provider) {
    const Result<std::string> path = ModelPath(SileroDetector::kModelName);
    if (!path.ok()) {
      report_.notes.push_back(
          std::string("Speech detection was not measured: tessera models pull ") +
          SileroDetector::kModelName + " installs its model.");
      return OkStatus();
    }
    return bench::MeasureSilero(measure_, *path, provider, report_);
  }

  Status Write() {
    if (!options_.svg.empty())
      TESSERA_RETURN_IF_ERROR(WriteFileAtomically(options_.svg, bench::DrawRoofline(report_)));
    if (!options_.html.empty())
      TESSERA_RETURN_IF_ERROR(WriteFileAtomically(options_.html, bench::ReportHtml(report_)));
    return Print(options_.json ? bench::ReportJson(report_) : bench::ReportText(report_));
  }

  BenchOptions options_;
  InterruptGuard interrupt_;
  Progress progress_;
  bench::MeasureOptions measure_;
  bench::Report report_;
  bool input_missing_ = false;
  Status end_to_end_;
};

}  // namespace

int RunBenchCommand(const std::vector<std::string>& arguments) {
  BenchOptions options;
  CLI::App app(
      "Measures what this machine can do and how much of it Tessera uses: the limits of its cores\n"
      "and its memory, then each stage of a Whisper model beside them. Other work on the machine\n"
      "makes the figures worse; the best of many runs is shown. Ctrl-C keeps what is measured.",
      "tessera bench");
  app.add_option("MODEL,-m,--model", options.model,
                 "name or path of a Whisper model (default: whisper-base, if it is installed)");
  app.add_option("--precision", options.precision,
                 "f32, bf16, int8, all, or auto: what transcribe would take")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8", "all"}));
  app.add_option("-t,--threads", options.threads, "threads (default: all usable cores)")
      ->check(CLI::Range(0, kMostThreads));
  app.add_option("--seconds", options.seconds,
                 "time for each figure (default: 1; more is steadier)")
      ->check(CLI::Range(kLeastSeconds, kMostSeconds));
  app.add_option("--audio", options.audio, "recording to transcribe in both modes");
  app.add_option("--device", options.devices,
                 "instead of all that: encoder and decoder step on these devices (cpu, npu, or "
                 "providers that tessera devices shows), beside the CPU in f32")
      ->delimiter(',');
  app.add_flag("--json", options.json, "one JSON object instead of tables");
  app.add_option("--html", options.html, "write a page with tables and rooflines to this file");
  app.add_option("--svg", options.svg, "write the rooflines to this file");
  app.add_flag("-q,--quiet", options.quiet, "no progress");
  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;
  return BenchRun(std::move(options)).Run();
}

}  // namespace tessera::cli
