// Compiling with a vendor's compiler in a child process: what the child is told, what it answers,
// and what becomes of it when it crashes, hangs or answers nonsense.
//
// The child is `tessera compile-worker JOB.json`, a hidden command. The job and the answer are JSON
// files in a folder of the caller; the compiled model comes back as a file that the job names. The
// child needs nothing else of its parent, so whatever state a vendor's library is left in dies with
// it.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_WORKER_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_WORKER_H_

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "providers/onnxruntime/engine.h"
#include "providers/onnxruntime/op_trace.h"
#include "providers/worker_process.h"

namespace tessera {

struct CompileJob {
  std::string library;  // ONNX Runtime's
  OrtSessionSpec spec;
  std::string model;  // ONNX file
  std::string
      context;  // where the compiled model goes (an ONNX file; its data beside it); "": none
  std::string trace_folder;  // where the provider writes its trace; "": none asked for
};

// What compiling gave; with a status that is not ok the rest is what is known all the same.
struct CompileOutcome {
  Status status;
  StagePlacement placement;  // nodes, subgraphs, compile_seconds
  std::vector<RefusedNode> refused;
  std::string compatibility;  // what the provider wrote into the compiled model
  bool not_a_worker = false;  // the program that was run is none; nothing was compiled
};

// In this process.
CompileOutcome RunCompileJob(const CompileJob& job, std::stop_token stop = {});

// In a child running `worker`. The outcome's status: that of the job, or kInternal (crashed, or
// answered nonsense; with the end of what it printed), kResourceExhausted (killed by the system),
// kDeadlineExceeded, kCancelled. A `worker` that is none:
// kUnimplemented and not_a_worker.
CompileOutcome RunCompileJobInChild(const CompileJob& job, const std::string& worker,
                                    std::chrono::seconds time_limit, std::stop_token stop);

// In a child where there is a worker, else in this process, without time limit, which the
// placement's note says. `worker` as FindCompileWorker takes it; one that is named must be there.
CompileOutcome CompileInChildOrHere(const CompileJob& job, const std::string& worker,
                                    std::chrono::seconds time_limit, std::stop_token stop);

// The child's side: reads the job, compiles, writes the answer beside it. An error when the job
// cannot be read or the answer not be written; how compiling went is in the answer.
Status ServeCompileJob(const std::string& job_file);

// Both files' text. kDataLoss for what is no job, no answer, or of another version of Tessera.
std::string CompileJobToJson(const CompileJob& job);
Result<CompileJob> ParseCompileJob(const std::string& text);
std::string CompileOutcomeToJson(const CompileOutcome& outcome);
Result<CompileOutcome> ParseCompileOutcome(const std::string& text);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_WORKER_H_
