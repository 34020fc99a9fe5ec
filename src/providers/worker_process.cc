#include "providers/worker_process.h"

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

WorkerReply Failed(Status status) {
  WorkerReply reply;
  reply.status = std::move(status);
  return reply;
}

}  // namespace

WorkerReply AskWorker(const std::string& job, const std::string& worker,
                      std::chrono::seconds time_limit, std::stop_token stop) {
  const Result<TemporaryFolder> folder = TemporaryFolder::Create();
  if (!folder.ok()) return Failed(folder.status());
  const std::string job_file = JoinPath(folder->path(), kJobFile);
  if (Status written = WriteFileAtomically(job_file, job); !written.ok()) {
    return Failed(std::move(written));
  }
  SubprocessOptions options;
  options.argv = {worker, kCompileWorkerCommand, job_file};
  options.time_limit = time_limit;
  options.idle_limit = time_limit;  // compilers print nothing for minutes
  options.max_stderr_bytes = kKeptStderr;
  const Result<SubprocessResult> result = RunSubprocess(options, std::move(stop));
  if (!result.ok()) {
    if (result.status().code() != StatusCode::kDeadlineExceeded) return Failed(result.status());
    return Failed(DeadlineExceeded("the compiler did not end within " +
                                   std::to_string(time_limit.count()) + " s and was stopped"));
  }
  if (result->exit_code == kExitUsage || result->exit_code == kExitNotExecuted) {
    WorkerReply none = Failed(
        Unimplemented(worker + " is no compile worker; " + LastWords(result->standard_error)));
    none.not_a_worker = true;
    return none;
  }
  if (result->exit_code != 0) return Failed(EndOfWorker(*result));
  Result<std::string> answer = ReadFile(JoinPath(folder->path(), kAnswerFile), kMaxAnswerBytes);
  if (!answer.ok()) return Failed(EndOfWorker(*result));
  return WorkerReply{.answer = std::move(answer).value(),
                     .last_words = LastWords(result->standard_error)};
}

Result<std::string> ReadJob(const std::string& job_file) {
  return ReadFile(job_file, kMaxAnswerBytes);
}

Status WriteAnswer(const std::string& job_file, const std::string& answer) {
  return WriteFileAtomically(JoinPath(FolderOf(job_file), kAnswerFile), answer);
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

}  // namespace tessera
