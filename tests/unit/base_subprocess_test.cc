#include "base/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/spill_file.h"

namespace tessera {
namespace {

struct Outcome {
  Result<SubprocessResult> result;
  std::string output;
};

Outcome Shell(const std::string& script, SubprocessOptions options = {},
              std::stop_token stop = {}) {
  std::string output;
  options.argv = {"/bin/sh", "-c", script};
  if (!options.on_stdout) {
    options.on_stdout = [&](std::span<const std::byte> piece) {
      output.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      return OkStatus();
    };
  }
  auto result = RunSubprocess(options, stop);
  return {std::move(result), output};
}

TEST(Subprocess, GivesOutputErrorsAndExitCode) {
  const Outcome outcome = Shell("echo out; echo err >&2; exit 7");
  ASSERT_TRUE(outcome.result.ok()) << outcome.result.status().ToString();
  EXPECT_EQ(outcome.output, "out\n");
  EXPECT_EQ(outcome.result->standard_error, "err\n");
  EXPECT_EQ(outcome.result->exit_code, 7);
  EXPECT_EQ(Shell("kill -9 $$").result->exit_code, 128 + 9);
}

TEST(Subprocess, PassesArgumentsUntouched) {
  SubprocessOptions options;
  std::string output;
  options.argv = {"/bin/echo", "-n", "$HOME; `id` 'x'"};
  options.on_stdout = [&](std::span<const std::byte> piece) {
    output.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return OkStatus();
  };
  ASSERT_TRUE(RunSubprocess(options).ok());
  EXPECT_EQ(output, "$HOME; `id` 'x'");
  options.argv.push_back(std::string("a\0b", 3));
  EXPECT_EQ(RunSubprocess(options).status().code(), StatusCode::kInvalidArgument);
}

TEST(Subprocess, ReadsStandardInputFromADescriptor) {
  auto file = SpillFile::Create();
  ASSERT_TRUE(file.ok());
  const std::string text = "hello";
  ASSERT_TRUE((*file)->Append(std::as_bytes(std::span(text))).ok());
  SubprocessOptions options;
  options.stdin_fd = (*file)->fd();
  EXPECT_EQ(Shell("cat /dev/fd/0", options).output, "hello");
  const Outcome empty = Shell("cat");
  EXPECT_EQ(empty.output, "");
  EXPECT_EQ(empty.result->exit_code, 0);  // an end of the file, not an error
}

TEST(Subprocess, HoldsItsLimits) {
  SubprocessOptions options;
  options.time_limit = std::chrono::milliseconds(100);
  EXPECT_EQ(Shell("sleep 60", options).result.status().code(), StatusCode::kDeadlineExceeded);
  options = {};
  options.idle_limit = std::chrono::milliseconds(100);
  EXPECT_EQ(Shell("exec >&- 2>&-; sleep 60", options).result.status().code(),
            StatusCode::kDeadlineExceeded);
  options = {};
  options.max_stdout_bytes = 1000;
  EXPECT_EQ(Shell("cat /dev/zero", options).result.status().code(), StatusCode::kResourceExhausted);
  options = {};
  options.max_stderr_bytes = 10;
  EXPECT_EQ(Shell("echo 0123456789abcdef >&2; echo more >&2", options).result->standard_error,
            "0123456789");
}

TEST(Subprocess, StopsOnRequestAndOnCallbackError) {
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  EXPECT_EQ(Shell("sleep 60", {}, stop.get_token()).result.status().code(), StatusCode::kCancelled);
  SubprocessOptions options;
  options.on_stdout = [](std::span<const std::byte>) { return DataLoss("enough"); };
  EXPECT_EQ(Shell("echo x; sleep 60", options).result.status().message(), "enough");
}

// A program that is ended takes the programs it started with it.
TEST(Subprocess, EndsTheChildrenOfTheChild) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  SubprocessOptions options;
  options.stdin_fd = ends[1];  // held by the shell and its child, as long as they live
  options.time_limit = std::chrono::milliseconds(100);
  EXPECT_EQ(Shell("exec 3<&0; sleep 30 & wait", options).result.status().code(),
            StatusCode::kDeadlineExceeded);
  close(ends[1]);
  pollfd all_closed = {ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&all_closed, 1, 10000), 1);
  EXPECT_EQ(all_closed.revents, POLLHUP);
  close(ends[0]);
}

TEST(Subprocess, FindsPrograms) {
  EXPECT_EQ(FindProgram("/bin/sh").value(), "/bin/sh");
  EXPECT_TRUE(FindProgram("sh").ok());
  EXPECT_EQ(FindProgram("no-such-program-here").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(FindProgram("/etc").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(FindProgram("").status().code(), StatusCode::kNotFound);
  SubprocessOptions options;
  options.argv = {"/no/such/program"};
  EXPECT_EQ(RunSubprocess(options).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
