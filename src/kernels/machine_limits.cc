#include "kernels/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kernels/machine_limits_loops.h"

namespace tessera::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// Long beside a barrier and a clock, short beside a tick of the scheduler: some samples stay
// undisturbed.
constexpr double kSampleSeconds = 3e-3;
constexpr int64_t kBarriersPerSample = 2000;
constexpr int64_t kReadBytesPerSample = int64_t{64} << 20;

LimitLoops CurrentLoops() {
  LimitLoops loops;
  FillLimitsRef(loops);
#if defined(TESSERA_HAVE_HIGHWAY)
  if (CurrentIsa() != Isa::kScalar) TESSERA_CHECK(FillLimitsSimd(CurrentIsa(), loops));
#endif
  return loops;
}

// Seconds from when all workers are ready to when the last one is done.
double RunTogether(ThreadPool& pool, const std::function<void(int worker)>& work) {
  SpinBarrier ready(pool.num_threads());
  std::vector<Clock::time_point> start(pool.num_threads()), end(pool.num_threads());
  pool.Run([&](int worker) {
    ready.Wait();
    start[worker] = Clock::now();
    work(worker);
    end[worker] = Clock::now();
  });
  const auto first = *std::min_element(start.begin(), start.end());
  const auto last = *std::max_element(end.begin(), end.end());
  return std::max(std::chrono::duration<double>(last - first).count(), 1e-9);
}

// `sample` gives one figure; more is better unless `less_is_better`.
Sampled Collect(const LimitSampling& sampling, bool less_is_better,
                const std::function<double()>& sample) {
  std::vector<double> values;
  const Clock::time_point start = Clock::now();
  while (!sampling.stop.stop_requested()) {
    values.push_back(sample());
    if (SecondsSince(start) >= sampling.seconds) break;
  }
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.best = less_is_better ? values.front() : values.back(),
          .median = values[values.size() / 2],
          .samples = static_cast<int>(values.size())};
}

}  // namespace

Sampled MeasureOperations(ThreadPool& pool, Precision precision, const LimitSampling& sampling) {
  const LimitLoops loops = CurrentLoops();
  const OperationLoop loop = precision == Precision::kF32    ? loops.f32
                             : precision == Precision::kBf16 ? loops.bf16
                                                             : loops.int8;
  // As many steps as fill a sample; the first rounds also wake the clock of the cores.
  int64_t steps = 1000;
  while (!sampling.stop.stop_requested()) {
    const double seconds = RunTogether(pool, [&](int) { loop.run(steps); });
    if (seconds >= kSampleSeconds / 2) break;
    steps *= 2;
  }
  const double operations =
      loop.operations_per_step * static_cast<double>(steps) * pool.num_threads();
  return Collect(sampling, false,
                 [&] { return operations / RunTogether(pool, [&](int) { loop.run(steps); }); });
}

Result<Sampled> MeasureRead(ThreadPool& pool, uint64_t buffer_bytes,
                            const LimitSampling& sampling) {
  if (buffer_bytes < kMinReadBuffer || buffer_bytes > kMaxReadBuffer)
    return InvalidArgument("read buffer: expected " + std::to_string(kMinReadBuffer) + " to " +
                           std::to_string(kMaxReadBuffer) + " bytes, found " +
                           std::to_string(buffer_bytes));
  const LimitLoops loops = CurrentLoops();
  const auto units = static_cast<int64_t>(buffer_bytes / kReadUnit);
  AlignedBuffer buffer(static_cast<size_t>(units) * kReadUnit);
  auto* data = static_cast<uint8_t*>(buffer.data());
  auto share = [&](int worker) { return ShareOf(units, worker, pool.num_threads()); };
  // Each worker touches its own share first, so that it lies near it.
  pool.Run([&](int worker) {
    const Range mine = share(worker);
    std::memset(data + mine.begin * kReadUnit, worker + 1, (mine.end - mine.begin) * kReadUnit);
  });
  const int64_t passes =
      std::max<int64_t>(1, kReadBytesPerSample / static_cast<int64_t>(buffer_bytes));
  const double bytes = static_cast<double>(passes * units) * kReadUnit;
  return Collect(sampling, false, [&] {
    return bytes / RunTogether(pool, [&](int worker) {
             const Range mine = share(worker);
             for (int64_t pass = 0; pass < passes; ++pass)
               loops.read(data + mine.begin * kReadUnit, (mine.end - mine.begin) * kReadUnit);
           });
  });
}

Sampled MeasureBarrier(ThreadPool& pool, const LimitSampling& sampling) {
  return Collect(sampling, true, [&] {
    SpinBarrier barrier(pool.num_threads());
    const double seconds = RunTogether(pool, [&](int) {
      for (int64_t i = 0; i < kBarriersPerSample; ++i) barrier.Wait();
    });
    return seconds / kBarriersPerSample;
  });
}

}  // namespace tessera::kernels
