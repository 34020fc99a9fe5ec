// Counters of a kernel benchmark beside the limits of one core, which the loops of
// kernels/machine_limits.h measure when a program first asks for them.
//
//   GFLOP/s   matrix or FFT operations, a multiply-add being two
//   GB/s      bytes that the kernel must read and write, each once
//   limit_%   of the time that the limits allow: the longer of operations at the core's speed in
//             their precision, and of bytes at the speed of reading a buffer of the same size from
//             wherever it then lies (a cache, mostly). Stores are not free, so kernels that write
//             as much as they read stay below 100.
#ifndef BENCH_CORE_LIMITS_H_
#define BENCH_CORE_LIMITS_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <map>

#include "kernels/machine_limits.h"

namespace tessera {

inline const kernels::LimitSampling& CoreSampling() {
  static const kernels::LimitSampling sampling{.seconds = 0.15, .stop = {}};
  return sampling;
}

// Operations a second.
inline double CoreLimit(kernels::Precision precision) {
  static std::map<kernels::Precision, double> known;
  double& limit = known[precision];
  if (limit == 0) {
    ThreadPool pool(1);
    limit = kernels::MeasureOperations(pool, precision, CoreSampling()).best;
  }
  return limit;
}

// Bytes a second from a buffer of this size, rounded up to a power of two.
inline double CoreReadLimit(double bytes) {
  const uint64_t size = std::clamp(std::bit_ceil(static_cast<uint64_t>(bytes)),
                                   kernels::kMinReadBuffer, kernels::kMaxReadBuffer);
  static std::map<uint64_t, double> known;
  double& limit = known[size];
  if (limit == 0) {
    ThreadPool pool(1);
    limit = kernels::MeasureRead(pool, size, CoreSampling())->best;
  }
  return limit;
}

// What one iteration of the benchmark does at least. No operations: bytes alone count.
inline void CountWork(benchmark::State& state, kernels::Precision precision, double operations,
                      double bytes) {
  using benchmark::Counter;
  const auto rate = [&](double each) {
    return Counter(each * static_cast<double>(state.iterations()), Counter::kIsRate);
  };
  if (operations > 0) state.counters["GFLOP/s"] = rate(operations / 1e9);
  state.counters["GB/s"] = rate(bytes / 1e9);
  const double compute = operations > 0 ? operations / CoreLimit(precision) : 0;
  state.counters["limit_%"] = rate(100 * std::max(compute, bytes / CoreReadLimit(bytes)));
}

}  // namespace tessera

#endif  // BENCH_CORE_LIMITS_H_
