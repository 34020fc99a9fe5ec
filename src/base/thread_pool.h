// A fixed team of workers that runs one parallel region at a time; worker 0 is the calling thread.
//
// Made for regions of microseconds: workers spin a little before they sleep, and SpinBarrier joins
// the steps inside a region, so a whole model step costs one wake-up. The split of work never
// depends on timing, so results do not either. Run() must not be called from inside a region, nor
// from two threads at once (guard it; the pool checks).
#ifndef TESSERA_BASE_THREAD_POOL_H_
#define TESSERA_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tessera {

// All `count` threads wait until the last arrives; reusable at once. Spins, then yields: for short
// waits only.
class SpinBarrier {
 public:
  explicit SpinBarrier(int count) : count_(count) {}
  void Wait();

 private:
  const int count_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
};

class ThreadPool {
 public:
  // num_threads >= 1; 0 takes the number of usable cores of this process (affinity respected).
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }
  // Calls region(worker) once for each worker in [0, num_threads) and returns when all have
  // returned.
  void Run(const std::function<void(int worker)>& region);
  // Calls task(index, worker) for index in [0, count): contiguous shares, in order, one share a
  // worker.
  void ParallelFor(int64_t count, const std::function<void(int64_t index, int worker)>& task);

  // Cores this process may use.
  static int UsableCores();

 private:
  void WorkerLoop(int worker);

  const int num_threads_;
  const std::function<void(int)>* region_ = nullptr;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<int> pending_{0};
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// The share [begin, end) of `count` items that belongs to `part` of `parts`; sizes differ by at
// most one.
struct Range {
  int64_t begin, end;
};
inline Range ShareOf(int64_t count, int part, int parts) {
  return {count * part / parts, count * (part + 1) / parts};
}

}  // namespace tessera

#endif  // TESSERA_BASE_THREAD_POOL_H_
