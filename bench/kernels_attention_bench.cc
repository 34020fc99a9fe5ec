// One head of whisper-base's attention: the encoder's (1500 queries) and the decoder's
// cross-attention (a few queries).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/attention.h"
#include "tensor/tensor.h"

namespace tessera::kernels {
namespace {

// Arguments: precision, queries, keys. head_dim is 64, rows lie in a fused [1500, 1536] buffer.
void BM_Attention(benchmark::State& state) {
  const auto precision = static_cast<Precision>(state.range(0));
  const int64_t queries = state.range(1), keys = state.range(2), head_dim = 64, ld = 1536;
  std::vector<float> fused(static_cast<size_t>(std::max(queries, keys) * ld));
  uint32_t bits = 1;
  for (float& v : fused) {
    v = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
  }
  AlignedBuffer packed(PackedKeysValuesBytes(precision, head_dim, keys));
  const int64_t block = 96;
  AlignedBuffer scratch(AttendScratchBytes(block, head_dim));
  std::vector<float> out(static_cast<size_t>(queries * 512));
  const bool pack_each_time = queries > 8;
  PackedKeysValues kv = PackKeysValues(precision, fused.data() + 512, ld, fused.data() + 1024, ld,
                                       keys, head_dim, packed.data());
  for (auto _ : state) {
    if (pack_each_time) {
      kv = PackKeysValues(precision, fused.data() + 512, ld, fused.data() + 1024, ld, keys,
                          head_dim, packed.data());
    }
    for (int64_t row = 0; row < queries; row += block) {
      AttendBlock(kv, fused.data() + row * ld, ld, std::min(block, queries - row), {0.125f},
                  out.data() + row * 512, 512, scratch.data());
    }
    benchmark::ClobberMemory();
  }
  const double calls = static_cast<double>(state.iterations());
  const double flops = 4.0 * static_cast<double>(queries * keys * head_dim);
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(flops * calls / 1e9, Counter::kIsRate);
  state.counters["kv_GB/s"] =
      Counter(static_cast<double>(PackedKeysValuesBytes(precision, head_dim, keys)) * calls / 1e9,
              Counter::kIsRate);
  state.SetLabel(std::string(PrecisionName(precision)));
}
BENCHMARK(BM_Attention)
    ->ArgNames({"p", "q", "kv"})
    ->ArgsProduct({{0, 1}, {1, 5, 1500}, {1500}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tessera::kernels
