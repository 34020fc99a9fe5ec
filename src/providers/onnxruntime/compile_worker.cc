#include "providers/onnxruntime/compile_worker.h"

#include <cstdlib>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "base/temporary_folder.h"

namespace tessera {
namespace {

constexpr const char* kJobFile = "job.json";
constexpr const char* kAnswerFile = "answer.json";
constexpr uint64_t kMaxAnswerBytes = 64 << 20;
constexpr size_t kKeptStderr = 1 << 20;
constexpr size_t kShownStderr = 1000;
// Exit codes of the command line that mean "no such command": an older tessera, another program.
constexpr int kExitUsage = 2;
constexpr int kExitNotExecuted = 127;
constexpr int kExitKilled = 128 + 9;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string LastWords(const std::string& standard_error) {
  const size_t end = standard_error.find_last_not_of(" \n\r\t");
  if (end == std::string::npos) return "it printed nothing";
  const size_t begin = end + 1 > kShownStderr ? end + 1 - kShownStderr : 0;
  return "its last words: " + standard_error.substr(begin, end + 1 - begin);
}

Status EndOfWorker(const SubprocessResult& result) {
  const std::string words = LastWords(result.standard_error);
  if (result.exit_code == kExitKilled) {
    return ResourceExhausted(
        "the compiler was killed by the system, as happens when memory runs "
        "out; " +
        words);
  }
  if (result.exit_code > 128) {
    return Internal("the compiler crashed (signal " + std::to_string(result.exit_code - 128) +
                    "); " + words);
  }
  return Internal("the compiler's process ended with code " + std::to_string(result.exit_code) +
                  " and no answer; " + words);
}

CompileOutcome Failed(Status status) {
  CompileOutcome outcome;
  outcome.status = std::move(status);
  return outcome;
}

void AddReasons(CompileOutcome& outcome, const std::string& ep) {
  for (NodePlacement& node : outcome.placement.nodes) {
    if (node.provider == ep) continue;
    for (const RefusedNode& refused : outcome.refused) {
      if (refused.name == node.name && refused.op == node.op) node.reason = refused.reason;
    }
  }
}

// The reasons that the vendor gave, behind an error that names no node.
Status WithReasons(const Status& status, const std::vector<RefusedNode>& refused) {
  constexpr size_t kShown = 5;
  std::string message = status.message();
  for (size_t i = 0; i < refused.size() && i < kShown; ++i) {
    message += "\n  " + refused[i].op + " " + refused[i].name + ": " + refused[i].reason;
  }
  if (refused.size() > kShown) {
    message += "\n  and " + std::to_string(refused.size() - kShown) + " more nodes";
  }
  return Status(status.code(), std::move(message));
}

Result<CompileOutcome> Ask(const CompileJob& job, const std::string& worker,
                           std::chrono::seconds time_limit, std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(const TemporaryFolder folder, TemporaryFolder::Create());
  const std::string job_file = JoinPath(folder.path(), kJobFile);
  TESSERA_RETURN_IF_ERROR(WriteFileAtomically(job_file, CompileJobToJson(job)));
  SubprocessOptions options;
  options.argv = {worker, kCompileWorkerCommand, job_file};
  options.time_limit = time_limit;
  options.idle_limit = time_limit;  // compilers print nothing for minutes
  options.max_stderr_bytes = kKeptStderr;
  Result<SubprocessResult> result = RunSubprocess(options, std::move(stop));
  if (!result.ok()) {
    if (result.status().code() != StatusCode::kDeadlineExceeded) return result.status();
    return DeadlineExceeded("the compiler did not end within " +
                            std::to_string(time_limit.count()) + " s and was stopped");
  }
  if (result->exit_code == kExitUsage || result->exit_code == kExitNotExecuted) {
    CompileOutcome none = Failed(
        Unimplemented(worker + " is no compile worker; " + LastWords(result->standard_error)));
    none.not_a_worker = true;
    return none;
  }
  if (result->exit_code != 0) return EndOfWorker(*result);
  const std::string answer_file = JoinPath(folder.path(), kAnswerFile);
  const Result<std::string> answer = ReadFile(answer_file, kMaxAnswerBytes);
  if (!answer.ok()) return EndOfWorker(*result);
  Result<CompileOutcome> outcome = ParseCompileOutcome(*answer);
  if (!outcome.ok()) {
    return Internal("the compiler's process answered nonsense (" + outcome.status().message() +
                    "); " + LastWords(result->standard_error));
  }
  return outcome;
}

}  // namespace

CompileOutcome RunCompileJob(const CompileJob& job, std::stop_token stop) {
  Result<std::shared_ptr<const OrtEngine>> engine = OpenOrtEngine(job.library);
  if (!engine.ok()) return Failed(engine.status());
  OrtSessionSpec spec = job.spec;
  spec.session_options.emplace_back("session.record_ep_graph_assignment_info", "1");
  if (!job.context.empty()) {
    spec.session_options.emplace_back("ep.context_enable", "1");
    // Beside the model, not inside: a protobuf ends at 2 GB.
    spec.session_options.emplace_back("ep.context_embed_mode", "0");
    spec.session_options.emplace_back("ep.context_file_path", job.context);
    spec.session_options.emplace_back("ep.context_model_external_initializers_file_name",
                                      std::string(BaseName(job.context)) + ".data");
  }
  if (!job.trace_folder.empty()) {
    spec.provider_options.emplace_back("enable_framework_op_trace", "1");
    spec.provider_options.emplace_back("framework_op_trace_dir", job.trace_folder);
  }
  CompileOutcome outcome;
  {
    Result<std::unique_ptr<FixedModel>> model = (*engine)->NewModel(job.model, spec, stop);
    if (model.ok()) {
      outcome.placement = (*model)->placement();
    } else {
      outcome.status = model.status();
    }
  }
  if (!job.trace_folder.empty()) outcome.refused = ReadOpTrace(job.trace_folder);
  if (!outcome.status.ok()) outcome.status = WithReasons(outcome.status, outcome.refused);
  if (outcome.status.ok() && !job.context.empty()) {
    outcome.compatibility = (*engine)->CompatibilityInfo(job.context, spec.ep);
  }
  AddReasons(outcome, spec.ep);
  return outcome;
}

CompileOutcome RunCompileJobInChild(const CompileJob& job, const std::string& worker,
                                    std::chrono::seconds time_limit, std::stop_token stop) {
  Result<CompileOutcome> outcome = Ask(job, worker, time_limit, std::move(stop));
  return outcome.ok() ? std::move(outcome).value() : Failed(outcome.status());
}

Result<std::string> FindCompileWorker(const std::string& option) {
  if (!option.empty()) return FindProgram(option);
  if (const char* named = std::getenv("TESSERA_WORKER"); named != nullptr && *named != '\0') {
    return FindProgram(named);
  }
  constexpr const char* kProgram = "tessera";
  if (const Result<std::string> self = ThisProgram(); self.ok()) {
    if (BaseName(*self) == kProgram) return self;
    const std::string beside = JoinPath(FolderOf(*self), kProgram);
    if (const Result<std::string> found = FindProgram(beside); found.ok()) return found;
  }
  return FindProgram(kProgram);
}

Status ServeCompileJob(const std::string& job_file) {
  TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadFile(job_file, kMaxAnswerBytes));
  TESSERA_ASSIGN_OR_RETURN(const CompileJob job, ParseCompileJob(text));
  const CompileOutcome outcome = RunCompileJob(job);
  return WriteFileAtomically(JoinPath(FolderOf(job_file), kAnswerFile),
                             CompileOutcomeToJson(outcome));
}

}  // namespace tessera
