#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "providers/onnxruntime/compile_worker.h"
#include "providers/openvino/compile_child.h"
#include "providers/worker_process.h"

namespace tessera::cli {
namespace {

Status Serve(const std::string& job_file) {
  TESSERA_ASSIGN_OR_RETURN(const std::string job, ReadJob(job_file));
  return openvino::IsChildJob(job) ? openvino::ServeChildJob(job_file) : ServeCompileJob(job_file);
}

}  // namespace

int RunCompileWorkerCommand(const std::vector<std::string>& arguments) {
  if (arguments.size() != 1) {
    PrintError("compile-worker takes one job file, from another tessera");
    return kExitUsage;
  }
  const Status status = Serve(arguments[0]);
  if (!status.ok()) PrintError(status.message());
  // The answer is written. Exit handlers of vendors' libraries have nothing to add, and some crash.
  std::fflush(nullptr);
  std::_Exit(status.ok() ? kExitOk : kExitInternal);
}

}  // namespace tessera::cli
