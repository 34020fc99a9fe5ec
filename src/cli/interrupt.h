// Ctrl-C (and SIGTERM) as a stop request: the first one asks the work to end and keep what is done,
// the second one leaves at once with code 130.
#ifndef TESSERA_CLI_INTERRUPT_H_
#define TESSERA_CLI_INTERRUPT_H_

#include <stop_token>
#include <thread>

namespace tessera::cli {

// Handles the signals while it lives. One at a time in a process.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool interrupted() const { return source_.stop_requested(); }

 private:
  using Handler = void (*)(int);
  std::stop_source source_;
  Handler previous_int_;
  Handler previous_term_;
  std::jthread watcher_;
};

}  // namespace tessera::cli

#endif  // TESSERA_CLI_INTERRUPT_H_
