#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "base/check.h"

extern char** environ;

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPollInterval = std::chrono::milliseconds(50);  // how soon a stop request is seen

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Reset(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Status MakePipe(Descriptor& read_end, Descriptor& write_end) {
  int fds[2];
  if (pipe(fds) != 0) {
    return Unavailable("cannot make a pipe: " + std::generic_category().message(errno));
  }
  for (const int fd : fds) fcntl(fd, F_SETFD, FD_CLOEXEC);
  read_end.Reset(fds[0]);
  write_end.Reset(fds[1]);
  return OkStatus();
}

// Kills and reaps on destruction unless Wait() has reaped.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    Wait();
  }
  int Wait() {
    int state = 0;
    while (waitpid(pid_, &state, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + (WIFSIGNALED(state) ? WTERMSIG(state) : 0);
  }
  // The exit code once the child has ended.
  std::optional<int> TryWait() {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0) {
      return std::nullopt;
    }
    return Wait();
  }

 private:
  pid_t pid_;
};

Result<pid_t> Spawn(const SubprocessOptions& options, int stdout_fd, int stderr_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (options.stdin_fd >= 0) {
    posix_spawn_file_actions_adddup2(&actions, options.stdin_fd, STDIN_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&actions, stdout_fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
  // Its own group, so that its children die with it; default signals, whatever this process
  // ignores.
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGPIPE);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& argument : options.argv) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid = -1;
  // Asked first because posix_spawn cannot report a failed exec everywhere (qemu's user mode calls
  // it a success and the child ends with 127).
  const int error = access(argv[0], X_OK) != 0
                        ? errno
                        : posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  const std::string message =
      "cannot start " + options.argv[0] + ": " + std::generic_category().message(error);
  if (error == ENOENT) return NotFound(message);
  if (error == EACCES || error == EPERM) return PermissionDenied(message);
  return Unavailable(message);
}

}  // namespace

Result<SubprocessResult> RunSubprocess(const SubprocessOptions& options, std::stop_token stop) {
  if (options.argv.empty()) return InvalidArgument("a subprocess needs a program to run");
  for (const std::string& argument : options.argv) {
    if (argument.find('\0') != std::string::npos) {
      return InvalidArgument("an argument of " + options.argv[0] + " holds a zero byte");
    }
  }
  if (stop.stop_requested()) return Cancelled("stopped before " + options.argv[0] + " started");
  Descriptor out, err, child_out, child_err;
  TESSERA_RETURN_IF_ERROR(MakePipe(out, child_out));
  TESSERA_RETURN_IF_ERROR(MakePipe(err, child_err));
  TESSERA_ASSIGN_OR_RETURN(const pid_t pid, Spawn(options, child_out.get(), child_err.get()));
  Child child(pid);
  child_out.Close();
  child_err.Close();

  SubprocessResult result;
  std::vector<std::byte> buffer(size_t{64} << 10);
  const Clock::time_point start = Clock::now();
  Clock::time_point last_output = start;
  int64_t stdout_bytes = 0;
  while (out.get() >= 0 || err.get() >= 0) {
    if (stop.stop_requested()) return Cancelled(options.argv[0] + " was stopped");
    const Clock::time_point now = Clock::now();
    if (now - start > options.time_limit || now - last_output > options.idle_limit) {
      const bool idle = now - start <= options.time_limit;
      const auto limit = std::chrono::duration_cast<std::chrono::seconds>(
          idle ? options.idle_limit : options.time_limit);
      return DeadlineExceeded(options.argv[0] + (idle ? " printed nothing" : " did not end") +
                              " within " + std::to_string(limit.count()) + " s and was ended");
    }
    std::array<pollfd, 2> wait = {pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0}};
    if (poll(wait.data(), wait.size(), static_cast<int>(kPollInterval.count())) < 0) {
      if (errno == EINTR) continue;
      return Unavailable("waiting for " + options.argv[0] +
                         " failed: " + std::generic_category().message(errno));
    }
    for (const pollfd& ready : wait) {
      if (ready.fd < 0 || ready.revents == 0) continue;
      const ssize_t got = read(ready.fd, buffer.data(), buffer.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      const bool is_out = ready.fd == out.get();
      if (got <= 0) {
        (is_out ? out : err).Close();
        continue;
      }
      last_output = Clock::now();
      const std::span<const std::byte> piece(buffer.data(), static_cast<size_t>(got));
      if (!is_out) {
        const size_t room = options.max_stderr_bytes - result.standard_error.size();
        result.standard_error.append(reinterpret_cast<const char*>(piece.data()),
                                     std::min(room, piece.size()));
        continue;
      }
      stdout_bytes += got;
      if (stdout_bytes > options.max_stdout_bytes) {
        return ResourceExhausted(options.argv[0] + " printed more than " +
                                 std::to_string(options.max_stdout_bytes) + " bytes");
      }
      if (options.on_stdout) TESSERA_RETURN_IF_ERROR(options.on_stdout(piece));
    }
  }
  // Both pipes are closed, but the child may live on: the limits still hold.
  while (true) {
    if (const std::optional<int> code = child.TryWait()) {
      result.exit_code = *code;
      return result;
    }
    if (stop.stop_requested()) return Cancelled(options.argv[0] + " was stopped");
    if (Clock::now() - last_output > options.idle_limit) {
      return DeadlineExceeded(options.argv[0] + " did not end and was ended");
    }
    poll(nullptr, 0, 1);
  }
}

Result<std::string> FindProgram(std::string_view name) {
  const auto executable = [](const std::string& path) {
    struct stat info;
    return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           access(path.c_str(), X_OK) == 0;
  };
  const std::string program(name);
  if (program.find('/') != std::string::npos) {
    if (executable(program)) return program;
    return NotFound(program + " is not an executable file");
  }
  const char* path_variable = getenv("PATH");
  std::string_view folders =
      path_variable != nullptr ? path_variable : "/usr/local/bin:/usr/bin:/bin";
  while (!program.empty() && !folders.empty()) {
    const size_t colon = folders.find(':');
    const std::string folder(folders.substr(0, colon));
    folders = colon == std::string_view::npos ? "" : folders.substr(colon + 1);
    // An empty entry means the current folder: a program there was not installed, so it is not
    // taken.
    if (!folder.empty() && executable(folder + "/" + program)) return folder + "/" + program;
  }
  return NotFound("no program " + program + " in PATH");
}

Result<std::string> ThisProgram() {
#if defined(__linux__)
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length > 0 && static_cast<size_t>(length) < sizeof(path)) {
    return std::string(path, static_cast<size_t>(length));
  }
#endif
  return Unimplemented("the system does not tell which program this is");
}

}  // namespace tessera
