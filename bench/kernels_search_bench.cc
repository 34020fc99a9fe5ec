// Cosine search over int8 rows of 384 dimensions (MiniLM), all threads of this process: bytes of
// rows read per second beside what the same threads read from memory at most, and milliseconds a
// question. Large row counts come from memory, small ones from a cache.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "core_limits.h"
#include "kernels/dot_top_k.h"
#include "kernels/machine_limits.h"
#include "tensor/tensor.h"

namespace tessera::kernels {
namespace {

constexpr int64_t kDimensions = 384;

ThreadPool& Pool() {
  static ThreadPool pool;
  return pool;
}

double ReadLimit(double bytes) {
  static std::map<uint64_t, double> known;
  const uint64_t size =
      std::clamp(std::bit_ceil(static_cast<uint64_t>(bytes)), kMinReadBuffer, kMaxReadBuffer);
  double& limit = known[size];
  if (limit == 0) limit = MeasureRead(Pool(), size, CoreSampling())->best;
  return limit;
}

void BM_TopK(benchmark::State& state) {
  const int64_t num_rows = state.range(0), num_queries = state.range(1);
  const auto size = static_cast<size_t>(num_rows * RowStride(kDimensions));
  AlignedBuffer levels(size);
  uint32_t bits = 1;
  auto* words = static_cast<uint32_t*>(levels.data());
  for (size_t i = 0; i < size / 4; ++i) {
    bits = bits * 1664525u + 1013904223u;
    words[i] = bits ^ (bits >> 15);
  }
  const std::vector<float> inverse_length(static_cast<size_t>(num_rows), 1.0f / 1400);
  std::vector<float> queries(static_cast<size_t>(num_queries * kDimensions));
  for (float& v : queries)
    v = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
  const RowsS8 rows{static_cast<const int8_t*>(levels.data()), inverse_length.data(), num_rows,
                    kDimensions};
  for (auto _ : state)
    benchmark::DoNotOptimize(TopKRows(Pool(), rows, queries.data(), num_queries, 10));
  const double bytes =
      static_cast<double>(num_rows) * static_cast<double>(RowStride(kDimensions) + 4);
  const auto rate = [&](double each) {
    return benchmark::Counter(each * static_cast<double>(state.iterations()),
                              benchmark::Counter::kIsRate);
  };
  state.counters["GB/s"] = rate(bytes / 1e9);
  state.counters["limit_%"] = rate(100 * bytes / ReadLimit(bytes));
  state.counters["ms/question"] =
      benchmark::Counter(1e-3 * static_cast<double>(num_queries * state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_TopK)
    ->ArgNames({"rows", "questions"})
    ->ArgsProduct({{1000, 100000, 1000000}, {1, 4, 16}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace tessera::kernels
