// Runs another program without a shell, reads what it prints, and never outlives it.
//
// The child gets exactly the given arguments and the caller's environment; its standard input is
// /dev/null or the given descriptor. It is killed, with its process group, when a stop is
// requested, a limit is reached or the callback fails. Thread-safe. Unix only; elsewhere
// RunSubprocess() returns unimplemented.
#ifndef TESSERA_BASE_SUBPROCESS_H_
#define TESSERA_BASE_SUBPROCESS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct SubprocessOptions {
  std::vector<std::string> argv;  // argv[0] is the program's path, as FindProgram() gives it
  int stdin_fd = -1;              // not closed; -1 is /dev/null
  std::chrono::milliseconds time_limit = std::chrono::hours(1);
  std::chrono::milliseconds idle_limit = std::chrono::minutes(2);  // without any output
  int64_t max_stdout_bytes = int64_t{1} << 40;
  size_t max_stderr_bytes = size_t{16}
                            << 10;  // the first ones are kept, the rest is read and dropped
  // Called on the caller's thread for each piece of standard output; an error ends the child and is
  // returned.
  std::function<Status(std::span<const std::byte>)> on_stdout;
};

struct SubprocessResult {
  int exit_code = 0;  // 128 + signal number when a signal ended it
  std::string standard_error;
};

// Waits for the end. A non-zero exit code is a result, not an error. Errors: not_found and
// permission_denied (the program), deadline_exceeded, resource_exhausted (output limit), cancelled,
// unavailable, or what `on_stdout` returned.
Result<SubprocessResult> RunSubprocess(const SubprocessOptions& options, std::stop_token stop = {});

// Path of an executable: `name` itself when it holds a '/', else the first match in $PATH.
// not_found when there is none.
Result<std::string> FindProgram(std::string_view name);

// Path of the program that this process runs. kUnimplemented where the system does not tell.
Result<std::string> ThisProgram();

}  // namespace tessera

#endif  // TESSERA_BASE_SUBPROCESS_H_
