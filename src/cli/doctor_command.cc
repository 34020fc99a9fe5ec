#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "doctor/compiler.h"
#include "doctor/fix.h"
#include "doctor/report.h"
#include "doctor/stage_models.h"
#include "formats/onnx.h"
#include "runtime/model_store.h"
#include "tessera_version.h"

namespace tessera::cli {
namespace {

struct DoctorOptions {
  std::string model;
  std::string target = "all";
  std::string html, fix;
  std::vector<std::string> bind;
  int time_limit = 600;  // seconds, of the compiler
  bool json = false, all_nodes = false, no_database = false, compiler = false, no_soc = false;
};

Status Print(const std::string& text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return OkStatus();
  return ResourceExhausted(std::string("could not write to stdout: ") + std::strerror(errno));
}

// "batch=1,seq=128"
Result<doctor::Bindings> ParseBindings(const std::vector<std::string>& words) {
  doctor::Bindings bind;
  for (const std::string& word : words) {
    const size_t equals = word.rfind('=');
    int64_t size = 0;
    const char* end = word.data() + word.size();
    const auto parsed = equals == std::string::npos || equals == 0
                            ? std::from_chars_result{end, std::errc::invalid_argument}
                            : std::from_chars(word.data() + equals + 1, end, size);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      return InvalidArgument("--bind: expected NAME=SIZE, found \"" + word + "\"");
    }
    bind[word.substr(0, equals)] = size;
  }
  return bind;
}

// 0 when every node is supported; kExitUndecided when the rest is unknown only.
int ExitCodeFor(const doctor::DoctorReport& report) {
  bool unknown = false;
  for (const doctor::ModelReport& model : report.models) {
    for (const doctor::TargetReport& target : model.targets) {
      if (target.totals.partial > 0 || target.totals.unsupported > 0) return kExitNotAllSupported;
      // A model that the compiler refuses as a whole.
      for (const doctor::ModelFinding& finding : target.findings)
        if (finding.severity == doctor::Severity::kError) return kExitNotAllSupported;
      unknown = unknown || target.totals.unknown > 0;
    }
  }
  return unknown ? kExitUndecided : kExitOk;
}

int Fail(const Status& status) {
  PrintError(status.message());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : ExitCodeForModel(status);
}

// The compiler's answers for the last model of the report. One that is not there is an error only
// where it was the only one asked.
Status Compile(const DoctorOptions& options, const std::string& path,
               doctor::DoctorReport& report) {
  InterruptGuard interrupt;
  doctor::CompilerOptions compiler;
  compiler.time_limit = std::chrono::seconds(options.time_limit);
  compiler.without_soc = options.no_soc;
  doctor::ModelReport& model = report.models.back();
  for (doctor::TargetReport& target : model.targets) {
    Status asked = doctor::AskCompiler(path, compiler, interrupt.token(), target);
    if (!asked.ok() && (model.targets.size() == 1 || asked.code() == StatusCode::kCancelled))
      return asked;
    if (!asked.ok()) report.notes.push_back(target.target.id + ": " + asked.message());
    doctor::Summarize(model.wiring, target);
  }
  return OkStatus();
}

Status Fix(const DoctorOptions& options, const doctor::Bindings& bind,
           doctor::DoctorReport& report) {
  TESSERA_ASSIGN_OR_RETURN(const doctor::FixedFile fixed,
                           doctor::FixFile(options.model, options.fix, {.bind = bind}));
  report.notes.push_back(options.fix + ": " + fixed.summary.ToString());
  report.notes.push_back(
      options.fix + ": " +
      (fixed.proof ? fixed.proof->ToString() : "not proven equal: " + fixed.not_proven));
  return OkStatus();
}

Status Examine(const DoctorOptions& options, doctor::DoctorReport& report) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<doctor::Target> targets,
                           doctor::ParseTarget(options.target));
  doctor::AnalysisOptions analysis;
  TESSERA_ASSIGN_OR_RETURN(analysis.bind, ParseBindings(options.bind));
  if (!options.no_database) {
    const Result<doctor::OpDatabase>& database = doctor::OpDatabase::BuiltIn();
    if (!database.ok()) return database.status();
    analysis.database = &*database;
    report.sources = database->sources();
  }
  const auto examine = [&](const std::string& path, const std::string& stage) -> Status {
    TESSERA_ASSIGN_OR_RETURN(OnnxModel model, ReadOnnx(path));
    TESSERA_ASSIGN_OR_RETURN(doctor::ModelReport examined,
                             doctor::Analyze(std::move(model), options.model, targets, analysis));
    examined.stage = stage;
    report.models.push_back(std::move(examined));
    return options.compiler ? Compile(options, path, report) : OkStatus();
  };
  if (options.model.ends_with(".onnx") && FileExists(options.model)) {
    TESSERA_RETURN_IF_ERROR(examine(options.model, ""));
    if (options.fix.empty()) return OkStatus();
    TESSERA_RETURN_IF_ERROR(Fix(options, analysis.bind, report));
    analysis.bind.clear();
    return examine(options.fix, "fixed");
  }
  if (!options.fix.empty()) {
    return InvalidArgument("--fix: expected an ONNX file to change, found \"" + options.model +
                           "\"; stages of installed models are written in fixed form already");
  }
  TESSERA_ASSIGN_OR_RETURN(const std::string path, ModelPath(options.model));
  TESSERA_ASSIGN_OR_RETURN(const doctor::StageModels stages, doctor::ExportStages(path));
  for (const doctor::StageModel& stage : stages.stages)
    TESSERA_RETURN_IF_ERROR(examine(stage.path, stage.name));
  return OkStatus();
}

}  // namespace

int RunDoctorCommand(const std::vector<std::string>& arguments) {
  DoctorOptions options;
  CLI::App app(
      "Says what of a model would run on an NPU, what would not, why, and what helps: shapes,\n"
      "types and operators of an ONNX file, or of an installed model's stages, against rules,\n"
      "vendors' documents and measurements of single operators.\n"
      "Exit codes beside the common ones: 6 some nodes would not run on the target, 7 some could\n"
      "not be decided.",
      "tessera doctor");
  app.add_option("MODEL", options.model, "an ONNX file, or a model as `tessera models list` has it")
      ->required();
  app.add_option("--target", options.target, doctor::TargetNames())->capture_default_str();
  app.add_option("--bind", options.bind,
                 "fix open dimensions: NAME=SIZE,... (names as the report shows them)")
      ->delimiter(',');
  app.add_flag("--nodes", options.all_nodes, "show supported nodes as well");
  app.add_flag("--json", options.json, "one JSON object");
  app.add_option("--html", options.html, "write a page with pictures to this file");
  app.add_option("--fix", options.fix,
                 "write the model with the safe remedies applied to this file (weights beside it), "
                 "and run both to prove them equal");
  app.add_flag("--compiler", options.compiler,
               "ask the vendor's compiler too, where it is installed (QNN); its answers win");
  app.add_flag("--no-soc", options.no_soc,
               "with --compiler: name no chip, as programs do that run into error 1002");
  app.add_option("--time-limit", options.time_limit, "seconds that the compiler may take")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_flag("--no-database", options.no_database, "leave the measured rows aside");
  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;

  if (!options.fix.empty() && options.fix == options.model) {
    PrintError("--fix: expected another file than the model itself");
    return kExitUsage;
  }
  doctor::DoctorReport report;
  const std::string commit = TESSERA_GIT_COMMIT;
  report.version = std::string(TESSERA_VERSION) + (commit.empty() ? "" : " (" + commit + ")");
  if (const Status status = Examine(options, report); !status.ok()) return Fail(status);
  if (!options.html.empty()) {
    const Status written = WriteFileAtomically(options.html, doctor::ReportHtml(report));
    if (!written.ok()) {
      PrintError(written.message());
      return ExitCodeForFile(written);
    }
  }
  const Status printed = Print(options.json ? doctor::ReportJson(report)
                                            : doctor::ReportText(report, options.all_nodes));
  if (!printed.ok()) {
    PrintError(printed.message());
    return ExitCodeForFile(printed);
  }
  return ExitCodeFor(report);
}

}  // namespace tessera::cli
