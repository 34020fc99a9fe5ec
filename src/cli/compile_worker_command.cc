#include <cstdio>
#include <cstdlib>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "providers/onnxruntime/compile_worker.h"

namespace tessera::cli {

int RunCompileWorkerCommand(const std::vector<std::string>& arguments) {
  if (arguments.size() != 1) {
    PrintError("compile-worker takes one job file, from another tessera");
    return kExitUsage;
  }
  const Status status = ServeCompileJob(arguments[0]);
  if (!status.ok()) PrintError(status.message());
  // The answer is written. Exit handlers of vendors' libraries have nothing to add, and some crash.
  std::fflush(nullptr);
  std::_Exit(status.ok() ? kExitOk : kExitInternal);
}

}  // namespace tessera::cli
