// Repeats a piece of work and keeps its times; internal to this folder.
#ifndef TESSERA_BENCH_SAMPLING_H_
#define TESSERA_BENCH_SAMPLING_H_

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/clock.h"
#include "bench/measure.h"

namespace tessera::bench {

inline constexpr int kMinRuns = 3;
inline constexpr size_t kMaxRuns = 100000;

// Calls `run`, which returns a Status, once to warm up and then until the time is spent, at least
// kMinRuns times. `on_run(seconds, is_best)` follows each counted run. A run longer than the time
// for the figure is its own warm-up.
template <class Run, class OnRun>
Status Repeat(const MeasureOptions& options, Sampled& result, const Run& run, const OnRun& on_run) {
  std::vector<double> times;
  const auto begin = std::chrono::steady_clock::now();
  bool warm = false;
  while (times.size() < kMaxRuns) {
    if (options.stop.stop_requested()) return Cancelled("a stop was requested");
    const auto start = std::chrono::steady_clock::now();
    TESSERA_RETURN_IF_ERROR(run());
    const double seconds = SecondsSince(start);
    const bool count = warm || seconds > options.seconds;
    warm = true;
    if (!count) continue;
    times.push_back(seconds);
    on_run(seconds, seconds <= *std::min_element(times.begin(), times.end()));
    const double spent = SecondsSince(begin);
    if (spent >= options.seconds && (times.size() >= kMinRuns || spent >= 4 * options.seconds))
      break;
  }
  std::sort(times.begin(), times.end());
  result = {.best = times.front(),
            .median = times[times.size() / 2],
            .samples = static_cast<int>(times.size())};
  return OkStatus();
}

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_SAMPLING_H_
