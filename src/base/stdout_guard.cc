#include "base/stdout_guard.h"

#include <cstdio>
#include <mutex>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace tessera {
namespace {

std::mutex turn;

#if defined(_WIN32)
constexpr int kStdout = 1, kStderr = 2;
int Duplicate(int fd) { return _dup(fd); }
void Replace(int fd, int by) { _dup2(by, fd); }
void Close(int fd) { _close(fd); }
#else
constexpr int kStdout = STDOUT_FILENO, kStderr = STDERR_FILENO;
int Duplicate(int fd) { return dup(fd); }
void Replace(int fd, int by) { dup2(by, fd); }
void Close(int fd) { close(fd); }
#endif

}  // namespace

StdoutGuard::StdoutGuard() {
  turn.lock();
  std::fflush(stdout);  // ours, written before
  saved_ = Duplicate(kStdout);
  if (saved_ >= 0) Replace(kStdout, kStderr);
}

StdoutGuard::~StdoutGuard() {
  if (saved_ >= 0) {
    std::fflush(stdout);  // theirs
    Replace(kStdout, saved_);
    Close(saved_);
  }
  turn.unlock();
}

}  // namespace tessera
