// `tessera transcribe`: the batch around the library's Transcriber.
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stop_token>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/device_options.h"
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

// Whether `message` names `what` already, as a word of its own. Most errors of files do.
bool Mentions(std::string_view message, std::string_view what) {
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = message.find(what); at != std::string_view::npos;
       at = message.find(what, at + 1)) {
    const size_t end = at + what.size();
    if ((at == 0 || !is_name(message[at - 1])) && (end == message.size() || !is_name(message[end])))
      return true;
  }
  return false;
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
  void TranscribeAll();
  void DetectLanguage(size_t index);
  void OnSegment(size_t index, const Segment& segment);
  void OnTranscript(size_t index, Result<Transcript> transcript);
  void WriteOutputs(size_t index, FileReport* report);
  // Text for stdout, where files appear in the order they were given: what comes early is held.
  void Emit(size_t index, const std::string& text);
  void BeginHead();
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
  std::stop_source stop_;          // an interrupt, or stdout is gone
  size_t head_ = 0;                // the file whose text goes to stdout
  std::vector<std::string> held_;  // text of those behind it
  std::vector<bool> complete_;
  Clock::time_point last_complete_;
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

// Results of an interrupted file get ".partial" in their name, so that --skip-existing does not
// take them for whole.
void Batch::WriteOutputs(size_t index, FileReport* report) {
  for (const TranscriptFormat format : options_.formats) {
    if (options_.output_dir == "-") {
      Emit(index, FormatTranscript(report->transcript, format));
      continue;
    }
    const std::string path = bases_[index] + (report->transcript.cancelled ? ".partial." : ".") +
                             std::string(TranscriptFormatName(format));
    report->status = WriteFileAtomically(path, FormatTranscript(report->transcript, format));
    if (!report->status.ok()) return;
    report->outputs.push_back(path);
  }
}

void Batch::Emit(size_t index, const std::string& text) {
  if (index != head_) {
    held_[index] += text;
    return;
  }
  progress_.Clear();
  out_.Write(text);
}

void Batch::BeginHead() {
  const std::string name = DisplayName(files_[head_].path);
  progress_.SetFile(static_cast<int>(head_) + 1, static_cast<int>(files_.size()), name);
  std::string text;
  if (live_ && files_.size() > 1) text = (head_ > 0 ? "\n==> " : "==> ") + name + " <==\n";
  text += held_[head_];
  held_[head_].clear();
  if (!text.empty()) Emit(head_, text);
}

void Batch::OnSegment(size_t index, const Segment& segment) {
  if (live_) {
    const std::string line = SegmentLine(segment, options_.timestamps);
    if (!segment.text.empty() && !line.empty()) Emit(index, line + "\n");
  } else if (options_.timestamps && !options_.quiet && !options_.json &&
             options_.output_dir != "-") {
    Emit(index, SegmentLine(segment, true) + "\n");
  }
  if (!out_.status().ok()) stop_.request_stop();
}

void Batch::OnTranscript(size_t index, Result<Transcript> transcript) {
  const std::string name = DisplayName(files_[index].path);
  FileReport report;
  report.path = files_[index].path;
  // Files of one stream overlap: each counts from when the one before it was complete.
  report.seconds = SecondsSince(last_complete_);
  last_complete_ = Clock::now();
  progress_.Clear();
  if (transcript.ok()) {
    report.transcript = std::move(*transcript);
    if (!options_.detect_language_only) WriteOutputs(index, &report);
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
      Note(name + ": interrupted after " + std::to_string(report.transcript.segments.size()) +
           " segments" + kept);
    }
  } else {
    ++summary_.failed;
    Fail(Mentions(report.status.message(), name) ? "" : name, report.status,
         ExitCodeForFile(report.status));
  }
  if (options_.json) Emit(index, FileJson(report) + "\n");
  if (!out_.status().ok()) stop_.request_stop();

  complete_[index] = true;
  while (head_ < files_.size() && complete_[head_]) {
    if (++head_ < files_.size()) BeginHead();
  }
}

void Batch::TranscribeAll() {
  BatchCallbacks callbacks;
  callbacks.on_progress = [&](int, int num_opened, double done, double total) {
    // Files that nobody has opened yet are taken to be as long as the others.
    progress_.Update(done, total * static_cast<double>(files_.size()) / num_opened);
  };
  callbacks.on_segment = [&](int index, const Segment& segment) {
    OnSegment(static_cast<size_t>(index), segment);
  };
  callbacks.on_transcript = [&](int index, Result<Transcript> transcript) {
    OnTranscript(static_cast<size_t>(index), std::move(transcript));
  };
  std::vector<std::string> paths;
  for (const InputFile& file : files_) paths.push_back(file.path);
  BeginHead();
  const Status status = transcriber_->TranscribeFiles(paths, options_.transcribe, callbacks,
                                                      stop_.get_token(), options_.raw);
  if (!status.ok()) Fail("", status, ExitCodeForFile(status));
}

// The language alone: each file ends as soon as it is known.
void Batch::DetectLanguage(size_t index) {
  TranscribeOptions options = options_.transcribe;
  options.mode = TranscribeMode::kSequential;
  const std::string prefix = files_.size() > 1 ? files_[index].path + ": " : "";
  std::stop_source file_stop;
  const std::stop_callback forward(stop_.get_token(), [&] { file_stop.request_stop(); });
  bool found = false;
  BatchCallbacks callbacks;
  callbacks.on_language = [&](int, std::string_view code, double probability) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.*s %.4f\n", static_cast<int>(code.size()), code.data(),
                  probability);
    if (!options_.json) Emit(index, prefix + text);
    found = true;
    file_stop.request_stop();
  };
  callbacks.on_transcript = [&](int, Result<Transcript> transcript) {
    if (transcript.ok()) {
      if (found) {
        transcript->cancelled = interrupt_.interrupted();
      } else if (!transcript->cancelled && !options_.json) {
        Emit(index, prefix + transcript->language + "\n");
      }
    }
    OnTranscript(index, std::move(transcript));
  };
  const Status status = transcriber_->TranscribeFiles({&files_[index].path, 1}, options, callbacks,
                                                      file_stop.get_token(), options_.raw);
  if (!status.ok()) Fail("", status, ExitCodeForFile(status));
}

int Batch::Finish() {
  progress_.Clear();
  summary_.interrupted = interrupt_.interrupted();
  if (transcriber_) {
    const Model& model = transcriber_->model();
    summary_.device = model.device();
    summary_.precision = PrecisionText(model);
    Note("placement: " + model.placement());
    if (const Status status = WritePlacement(model, options_.placement); !status.ok())
      Fail("--placement", status, kExitBadInput);
    code_ = ExitCodeOfRun(model, code_);
  }
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
  held_.resize(files_.size());
  complete_.resize(files_.size());
  last_complete_ = Clock::now();
  const std::stop_callback forward(interrupt_.token(), [this] { stop_.request_stop(); });
  if (!options_.detect_language_only) {
    TranscribeAll();
    return Finish();
  }
  BeginHead();
  for (size_t i = 0; i < files_.size(); ++i) {
    // A usage error would only repeat itself.
    if (stop_.stop_requested() || code_ == kExitUsage) break;
    DetectLanguage(i);
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
