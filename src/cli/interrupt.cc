#include "cli/interrupt.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "cli/exit_code.h"

namespace tessera::cli {
namespace {

// A signal handler may do little more than touch a lock-free atomic; the watcher does the rest.
std::atomic<int> g_signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void CountSignal(int) {
  if (g_signals.fetch_add(1, std::memory_order_relaxed) >= 1) std::_Exit(kExitInterrupted);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_signals.store(0);
  previous_int_ = std::signal(SIGINT, CountSignal);
  previous_term_ = std::signal(SIGTERM, CountSignal);
  watcher_ = std::jthread([this](std::stop_token done) {
    // Looks up every 30 ms, but ends at once: a short run must not wait for its watcher.
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!done.stop_requested()) {
      if (g_signals.load(std::memory_order_relaxed) > 0) {
        std::fputs("\ntessera: stopping; what is done is kept (Ctrl-C again leaves at once)\n",
                   stderr);
        source_.request_stop();
        return;
      }
      wake.wait_for(lock, done, std::chrono::milliseconds(30), [] { return false; });
    }
  });
}

InterruptGuard::~InterruptGuard() {
  watcher_.request_stop();
  watcher_.join();
  std::signal(SIGINT, previous_int_ == SIG_ERR ? SIG_DFL : previous_int_);
  std::signal(SIGTERM, previous_term_ == SIG_ERR ? SIG_DFL : previous_term_);
}

}  // namespace tessera::cli
