// `tessera transcribe`: the batch around the library's Transcriber.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/input_files.h"
#include "cli/interrupt.h"
#include "cli/output_plan.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/transcribe_options.h"

namespace tessera::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Bare samples are read whole: 4 GiB is 37 hours of 16 kHz 16-bit mono.
constexpr uint64_t kMaxRawBytes = uint64_t{4} << 30;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
      return "auto";
    case Precision::kF32:
      return "f32";
    case Precision::kBF16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::string DisplayName(const std::string& path) { return path == "-" ? "stdin" : path; }

// Stdout, whose failure (a full disk behind a redirection) is an error like any other.
class Output {
 public:
  void Line(const std::string& text) { Write(text + "\n"); }
  void Write(std::string_view text) {
    if (!status_.ok()) return;
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
      status_ =
          ResourceExhausted(std::string("could not write to stdout: ") + std::strerror(errno));
    }
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

class Batch {
 public:
  explicit Batch(TranscribeCommandOptions options)
      : options_(std::move(options)),
        progress_(!options_.quiet &&
                  (options_.progress == Show::kAlways ||
                   (options_.progress == Show::kAuto && IsTerminal(StandardStream::kError)))),
        live_(options_.formats.empty() && !options_.json && !options_.detect_language_only) {}

  int Run();

 private:
  bool Plan();
  bool LoadModel();
  void TranscribeOne(size_t index);
  Result<Transcript> Transcribe(const std::string& path, bool* language_found);
  void WriteOutputs(const std::string& base, FileReport* report);
  void Fail(const std::string& what, const Status& status, ExitCode code);
  void Note(const std::string& text);
  int Finish();

  TranscribeCommandOptions options_;
  Progress progress_;
  const bool live_;  // segments go to stdout as they come
  InterruptGuard interrupt_;
  Output out_;
  std::vector<InputFile> files_;
  std::vector<std::string> bases_;  // of the results, as files_
  std::optional<Transcriber> transcriber_;
  Summary summary_;
  ExitCode code_ = kExitOk;
};

void Batch::Note(const std::string& text) {
  if (options_.quiet) return;
  progress_.Clear();
  std::fprintf(stderr, "tessera: %s\n", text.c_str());
}

// The first kind of failure decides the exit code.
void Batch::Fail(const std::string& what, const Status& status, ExitCode code) {
  progress_.Clear();
  PrintError(what.empty() ? status.message() : what + ": " + status.message());
  if (code_ == kExitOk) code_ = code;
}

// Which inputs, and where their results go. False when there is nothing to do.
bool Batch::Plan() {
  InputList inputs = ExpandInputs(options_.inputs, options_.recursive);
  for (const InputList::Failure& failure : inputs.failures) {
    ++summary_.failed;
    Fail(failure.argument, failure.status, kExitBadInput);
    if (options_.json) {
      FileReport report;
      report.path = failure.argument;
      report.status = failure.status;
      out_.Line(FileJson(report));
    }
  }
  const bool to_files = !options_.formats.empty() && options_.output_dir != "-";
  if (!to_files) {
    files_ = std::move(inputs.files);
    bases_.resize(files_.size());
    return !files_.empty();
  }
  Result<std::vector<std::string>> bases =
      PlanOutputs(inputs.files, options_.output_dir, options_.output_file);
  if (!bases.ok()) {
    Fail("", bases.status(), kExitUsage);
    return false;
  }
  for (size_t i = 0; i < inputs.files.size(); ++i) {
    bool there = options_.skip_existing;
    for (const TranscriptFormat format : options_.formats) {
      there = there && FileExists((*bases)[i] + "." + std::string(TranscriptFormatName(format)));
    }
    if (there) {
      ++summary_.skipped;
      continue;
    }
    files_.push_back(inputs.files[i]);
    bases_.push_back((*bases)[i]);
  }
  // Before the model is loaded: hours of work must not end at a folder that cannot be written.
  for (const std::string& base : bases_) {
    const std::string parent = std::filesystem::path(base).parent_path().string();
    const std::string place = parent.empty() ? "." : parent;
    Status status = MakeFolders(place);
    if (status.ok() && !CanReadAndWrite(place))
      status = PermissionDenied("no permission to write there");
    if (!status.ok()) {
      Fail("output folder " + place, status, kExitBadInput);
      return false;
    }
  }
  return !files_.empty();
}

bool Batch::LoadModel() {
  progress_.Message("loading " + options_.model.model);
  const Clock::time_point start = Clock::now();
  Result<Model> model = Model::Load(options_.model);
  progress_.Clear();
  if (!model.ok()) {
    Fail("", model.status(), ExitCodeForModel(model.status()));
    return false;
  }
  summary_.load_seconds = SecondsSince(start);
  summary_.model = model->path();
  summary_.device = model->device();
  summary_.precision = PrecisionName(model->precision());
  if (!model->is_multilingual()) {
    if (options_.transcribe.task == TranscribeTask::kTranslate) {
      Fail("",
           InvalidArgument("--task translate needs a multilingual model; " + options_.model.model +
                           " knows English only"),
           kExitUsage);
      return false;
    }
    const std::string& language = options_.transcribe.language;
    if (!language.empty() && language != "en" && language != "English" && language != "english") {
      Note(options_.model.model + " knows English only: --language " + language + " is not used");
      options_.transcribe.language = "en";
    }
  }
  Result<Transcriber> transcriber = Transcriber::Create(*model);
  if (!transcriber.ok()) {
    Fail("", transcriber.status(), ExitCodeForModel(transcriber.status()));
    return false;
  }
  transcriber_.emplace(std::move(*transcriber));
  return true;
}

Result<Transcript> Batch::Transcribe(const std::string& path, bool* language_found) {
  // Ends this file without ending the batch: the language was all that was asked for, or stdout is
  // gone.
  std::stop_source file_stop;
  std::stop_callback forward(interrupt_.token(), [&] { file_stop.request_stop(); });
  TranscribeCallbacks callbacks;
  callbacks.on_progress = [&](double done, double total) { progress_.Update(done, total); };
  callbacks.on_segment = [&](const Segment& segment) {
    if (!live_) {
      if (options_.timestamps && !options_.quiet && !options_.json && options_.output_dir != "-") {
        progress_.Clear();
        out_.Line(SegmentLine(segment, true));
      }
      return;
    }
    const std::string line = SegmentLine(segment, options_.timestamps);
    if (segment.text.empty() || line.empty()) return;
    progress_.Clear();
    out_.Line(line);
    if (!out_.status().ok()) file_stop.request_stop();
  };
  callbacks.on_language = [&](std::string_view code, double probability) {
    if (options_.detect_language_only) {
      char text[64];
      std::snprintf(text, sizeof(text), "%.*s %.4f", static_cast<int>(code.size()), code.data(),
                    probability);
      progress_.Clear();
      if (!options_.json) out_.Line(files_.size() > 1 ? path + ": " + text : text);
      *language_found = true;
      file_stop.request_stop();
    }
  };
  if (!options_.raw)
    return transcriber_->TranscribeFile(path, options_.transcribe, callbacks,
                                        file_stop.get_token());
  Result<std::string> bytes = ReadFile(path == "-" ? "/dev/stdin" : path, kMaxRawBytes);
  if (!bytes.ok()) return std::move(bytes).status();
  return transcriber_->TranscribePcm(std::as_bytes(std::span<const char>(*bytes)), *options_.raw,
                                     options_.transcribe, callbacks, file_stop.get_token());
}

// Results of an interrupted file get ".partial" in their name, so that --skip-existing does not
// take them for whole.
void Batch::WriteOutputs(const std::string& base, FileReport* report) {
  for (const TranscriptFormat format : options_.formats) {
    if (options_.output_dir == "-") {
      out_.Write(FormatTranscript(report->transcript, format));
      continue;
    }
    const std::string path = base + (report->transcript.cancelled ? ".partial." : ".") +
                             std::string(TranscriptFormatName(format));
    Status status = WriteFileAtomically(path, FormatTranscript(report->transcript, format));
    if (!status.ok()) {
      report->status = std::move(status).AddContext("could not write " + path);
      return;
    }
    report->outputs.push_back(path);
  }
}

void Batch::TranscribeOne(size_t index) {
  const std::string& path = files_[index].path;
  if (live_ && files_.size() > 1)
    out_.Line((index > 0 ? "\n==> " : "==> ") + DisplayName(path) + " <==");
  progress_.BeginFile(static_cast<int>(index) + 1, static_cast<int>(files_.size()),
                      DisplayName(path));
  FileReport report;
  report.path = path;
  const Clock::time_point start = Clock::now();
  bool language_found = false;
  Result<Transcript> transcript = Transcribe(path, &language_found);
  report.seconds = SecondsSince(start);
  progress_.Clear();
  if (transcript.ok()) {
    report.transcript = std::move(*transcript);
    if (language_found) {
      report.transcript.cancelled = interrupt_.interrupted();
    } else if (options_.detect_language_only && !report.transcript.cancelled && !options_.json) {
      out_.Line((files_.size() > 1 ? path + ": " : "") + report.transcript.language);
    }
    if (!options_.detect_language_only) WriteOutputs(bases_[index], &report);
  } else {
    report.status = std::move(transcript).status();
  }
  if (report.status.ok() && !out_.status().ok()) report.status = out_.status();

  if (report.status.ok()) {
    ++summary_.done;
    summary_.audio_seconds += report.transcript.duration;
    summary_.work_seconds += report.seconds;
    if (report.transcript.cancelled) {
      std::string kept;
      for (const std::string& output : report.outputs)
        kept += (kept.empty() ? "; kept in " : ", ") + output;
      Note(DisplayName(path) + ": interrupted after " +
           std::to_string(report.transcript.segments.size()) + " segments" + kept);
    }
  } else {
    ++summary_.failed;
    Fail(DisplayName(path), report.status, ExitCodeForFile(report.status));
  }
  if (options_.json) out_.Line(FileJson(report));
}

int Batch::Finish() {
  progress_.Clear();
  summary_.interrupted = interrupt_.interrupted();
  if (options_.json) out_.Line(SummaryJson(summary_));
  if (!options_.quiet) std::fprintf(stderr, "tessera: %s\n", SummaryLine(summary_).c_str());
  if (summary_.interrupted) return kExitInterrupted;
  return code_;
}

int Batch::Run() {
  for (const std::string& note : options_.notes) Note(note);
  if (!Plan()) {
    if (code_ == kExitUsage) return code_;
    return Finish();
  }
  if (!LoadModel()) return code_;
  for (size_t i = 0; i < files_.size(); ++i) {
    // A usage error would only repeat itself.
    if (interrupt_.interrupted() || !out_.status().ok() || code_ == kExitUsage) break;
    TranscribeOne(i);
  }
  return Finish();
}

}  // namespace

int RunTranscribeCommand(const std::vector<std::string>& arguments) {
  Result<ParsedTranscribe> parsed =
      ParseTranscribe(arguments, [](const std::string& path) { return FileExists(path); });
  if (!parsed.ok()) {
    PrintError(parsed.status().message());
    return kExitUsage;
  }
  if (!parsed->options) {
    std::fputs(parsed->help.c_str(), stdout);
    return kExitOk;
  }
  return Batch(std::move(*parsed->options)).Run();
}

}  // namespace tessera::cli
