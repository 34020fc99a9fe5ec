// A vendor's compiler in a child process: `tessera compile-worker JOB`, a hidden command.
//
// The job and the answer are texts in files of a folder that only the two know; what they mean is
// the business of each provider. The child needs nothing else of its parent, so whatever state a
// vendor's library is left in dies with it. Thread-safe.
#ifndef TESSERA_PROVIDERS_WORKER_PROCESS_H_
#define TESSERA_PROVIDERS_WORKER_PROCESS_H_

#include <chrono>
#include <stop_token>
#include <string>

#include "tessera/status.h"

namespace tessera {

inline constexpr char kCompileWorkerCommand[] = "compile-worker";

// The program to run as the worker: `option`, else TESSERA_WORKER, this program or one beside it
// when it is called tessera, tessera in PATH. kNotFound when there is none.
Result<std::string> FindCompileWorker(const std::string& option);

struct WorkerReply {
  // kInternal (crashed, or ended without an answer; with the end of what it printed),
  // kResourceExhausted (killed by the system), kDeadlineExceeded, kCancelled.
  Status status;
  std::string answer;
  std::string last_words;     // the end of what it printed
  bool not_a_worker = false;  // the program is none, and nothing was done; status kUnimplemented
};

// Runs `worker` on the job. The compiler may print nothing for as long as the limit.
WorkerReply AskWorker(const std::string& job, const std::string& worker,
                      std::chrono::seconds time_limit, std::stop_token stop);

// The child's side: the job's text, and the file that the answer goes to.
Result<std::string> ReadJob(const std::string& job_file);
Status WriteAnswer(const std::string& job_file, const std::string& answer);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_WORKER_PROCESS_H_
