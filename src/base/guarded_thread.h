// A thread for calls into foreign code that may never return.
//
// The caller waits until the call ends, until a time limit passes or until a stop is requested.
// Then the call is asked to end, through a stop token of its own; if it does not within a grace
// time, it is given up: its thread goes on alone and may run on for as long as the process does. So
// a call must own, by shared ownership in what it captures, everything that it may still touch. Who
// asks a call to end is a thread of its own as well, since what a library does when it is asked to
// stop may hang like the rest.
//
// Time is counted while this process runs: one that was stopped or asleep finds its calls no older.
#ifndef TESSERA_BASE_GUARDED_THREAD_H_
#define TESSERA_BASE_GUARDED_THREAD_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <thread>

#include "tessera/status.h"

namespace tessera {

class GuardedThread {
 public:
  struct Limits {
    std::chrono::milliseconds time;
    std::chrono::milliseconds grace;  // after it was asked to end
  };
  enum class End {
    kReturned,        // in time, or it was asked to end by `stop` and did
    kStoppedInGrace,  // it took longer than the limit and ended with an error when it was asked to
    kGivenUp,
  };
  struct Outcome {
    End end = End::kReturned;
    Status status;  // what the call returned; kCancelled or kDeadlineExceeded of one given up
  };

  GuardedThread() = default;
  // Does not wait for a call that was given up.
  ~GuardedThread();
  GuardedThread(const GuardedThread&) = delete;
  GuardedThread& operator=(const GuardedThread&) = delete;

  // One at a time, and none after one that was given up. `hurry`: once it is true, the time is up.
  // What `call` captured is gone when this returns, unless it was given up. An exception that
  // leaves it is kInternal, or kResourceExhausted of one for want of memory or threads.
  Outcome Call(std::function<Status(std::stop_token)> call, const Limits& limits,
               std::stop_token stop, const std::atomic<bool>& hurry);

 private:
  struct Core;
  std::shared_ptr<Core> core_;  // with the thread, from the first call on
  std::thread thread_;
};

// Whether a call was ever given up in this process. Its libraries cannot be relied upon to end:
// their threads run, and exit handlers may wait for them. Such a program leaves by std::_Exit,
// after it has flushed what it wrote.
bool AnyCallGivenUp();

}  // namespace tessera

#endif  // TESSERA_BASE_GUARDED_THREAD_H_
