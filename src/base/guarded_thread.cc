#include "base/guarded_thread.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// How often a waiting caller looks up; longer calls only, short ones wake it.
constexpr std::chrono::milliseconds kTick{50};

std::atomic<bool> any_given_up = false;

Status Guarded(const std::function<Status(std::stop_token)>& call, std::stop_token stop) {
  try {
    return call(std::move(stop));
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory");
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

// On a thread of its own, where one can be had.
void AskToEnd(std::stop_source source) {
  try {
    std::thread([source]() mutable { source.request_stop(); }).detach();
  } catch (const std::system_error&) {
    source.request_stop();
  }
}

}  // namespace

struct GuardedThread::Core {
  std::mutex mutex;
  std::condition_variable wake;  // of both sides
  std::function<Status(std::stop_token)> call;
  std::stop_source stop;  // of the call
  Status status;
  bool done = true, quit = false, given_up = false;
  bool asked = false;  // the caller's stop

  void Serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return call || quit; });
      if (quit) return;
      std::function<Status(std::stop_token)> now = std::exchange(call, nullptr);
      std::stop_token token = stop.get_token();
      lock.unlock();
      Status ended = Guarded(now, std::move(token));
      now = nullptr;
      lock.lock();
      if (given_up) return;
      status = std::move(ended);
      done = true;
      wake.notify_all();
    }
  }

  // Until the call is done or `until()`, for at most `limit` of the time that this thread is awake.
  template <typename Until>
  bool WaitDone(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds limit,
                const Until& until) {
    Clock::duration left = limit;
    while (!done && left > Clock::duration::zero() && !until()) {
      const Clock::time_point start = Clock::now();
      const Clock::duration tick = std::min<Clock::duration>(left, kTick);
      wake.wait_for(lock, tick, [&] { return done || until(); });
      left -= std::min<Clock::duration>(Clock::now() - start, 2 * tick);
    }
    return done;
  }
};

GuardedThread::~GuardedThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(core_->mutex);
    core_->quit = true;
    core_->wake.notify_all();
  }
  thread_.join();
}

GuardedThread::Outcome GuardedThread::Call(std::function<Status(std::stop_token)> call,
                                           const Limits& limits, std::stop_token stop,
                                           const std::atomic<bool>& hurry) {
  if (core_ == nullptr) {
    auto core = std::make_shared<Core>();
    try {
      thread_ = std::thread([core] { core->Serve(); });
    } catch (const std::system_error& error) {
      return {End::kReturned,
              ResourceExhausted(std::string("no thread can be started: ") + error.what())};
    }
    core_ = std::move(core);
  }
  Core& core = *core_;
  std::unique_lock lock(core.mutex);
  core.call = std::move(call);
  core.stop = std::stop_source();
  core.done = core.asked = false;
  core.wake.notify_all();
  lock.unlock();
  const auto note = [&core] {
    const std::lock_guard guard(core.mutex);
    core.asked = true;
    core.wake.notify_all();
  };
  std::optional<std::stop_callback<decltype(note)>> on_stop;
  on_stop.emplace(stop, note);
  lock.lock();
  bool done = core.WaitDone(lock, limits.time,
                            [&] { return core.asked || hurry.load(std::memory_order_relaxed); });
  const bool asked = core.asked;
  if (!done) {
    AskToEnd(core.stop);
    done = core.WaitDone(lock, limits.grace, [] { return false; });
    if (done && !asked && !core.status.ok()) {
      lock.unlock();
      return {End::kStoppedInGrace, std::move(core.status)};
    }
  }
  if (!done) {
    core.given_up = true;
    any_given_up.store(true, std::memory_order_relaxed);
    thread_.detach();
  }
  lock.unlock();  // before on_stop goes, which may wait for `note`
  if (done) return {End::kReturned, std::move(core.status)};
  return {End::kGivenUp, asked ? Cancelled("a stop was requested, and the call did not end")
                               : DeadlineExceeded("the call did not end")};
}

bool AnyCallGivenUp() { return any_given_up.load(std::memory_order_relaxed); }

}  // namespace tessera
