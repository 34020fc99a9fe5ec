// Keeps other people's libraries from writing into our standard output.
#ifndef TESSERA_BASE_STDOUT_GUARD_H_
#define TESSERA_BASE_STDOUT_GUARD_H_

namespace tessera {

// While one lives, what the process writes to standard output goes to standard error. For short
// calls into libraries that print; a result that another thread prints meanwhile goes there too.
// Guards of several threads take turns.
class StdoutGuard {
 public:
  StdoutGuard();
  ~StdoutGuard();
  StdoutGuard(const StdoutGuard&) = delete;
  StdoutGuard& operator=(const StdoutGuard&) = delete;

 private:
  int saved_ = -1;  // the real standard output; -1 where it could not be put aside
};

}  // namespace tessera

#endif  // TESSERA_BASE_STDOUT_GUARD_H_
