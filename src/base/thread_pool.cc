#include "base/thread_pool.h"

#include "base/check.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

// About 20 us on current cores: longer than a gap between two steps, shorter than a scheduler tick.
// On a machine that others use too, longer spinning would only keep the worker that is waited for
// off its core.
constexpr int kSpinRounds = 2000;

inline void Pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void SpinBarrier::Wait() {
  const uint32_t generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == count_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    return;
  }
  for (int round = 0; generation_.load(std::memory_order_acquire) == generation; ++round) {
    if (round < kSpinRounds) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

int ThreadPool::UsableCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(int num_threads)
    : num_threads_(num_threads > 0 ? num_threads : UsableCores()) {
  threads_.reserve(num_threads_ - 1);
  for (int w = 1; w < num_threads_; ++w) threads_.emplace_back([this, w] { WorkerLoop(w); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void ThreadPool::Run(const std::function<void(int)>& region) {
  TESSERA_CHECK(!busy_.exchange(true, std::memory_order_acquire));
  region_ = &region;
  pending_.store(num_threads_ - 1, std::memory_order_relaxed);
  if (num_threads_ > 1) {
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
  }
  region(0);
  for (int round = 0; pending_.load(std::memory_order_acquire) != 0; ++round) {
    if (round < kSpinRounds) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  region_ = nullptr;
  busy_.store(false, std::memory_order_release);
}

void ThreadPool::ParallelFor(int64_t count, const std::function<void(int64_t, int)>& task) {
  Run([&](int worker) {
    const Range share = ShareOf(count, worker, num_threads_);
    for (int64_t i = share.begin; i < share.end; ++i) task(i, worker);
  });
}

void ThreadPool::WorkerLoop(int worker) {
  uint32_t seen = 0;
  for (;;) {
    for (int round = 0; epoch_.load(std::memory_order_acquire) == seen; ++round) {
      if (round < kSpinRounds) {
        Pause();
      } else {
        epoch_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    (*region_)(worker);
    pending_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace tessera
