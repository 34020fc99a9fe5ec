// One head of whisper-base's attention, one thread: the encoder's (1500 queries), the decoder's
// cross-attention over a packed window (a few queries) and its self-attention over a cache of rows.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core_limits.h"
#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "tensor/tensor.h"

namespace tessera::kernels {
namespace {

constexpr int64_t kHeadDim = 64, kFused = 1536, kWidth = 512;

std::vector<float> Uniform(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint32_t bits = 1;
  for (float& v : values)
    v = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
  return values;
}

// Arguments: precision, queries, keys. Rows lie in a fused [1500, 1536] buffer. Many queries pack
// their keys and values first, as the encoder does.
void BM_Attention(benchmark::State& state) {
  const auto precision = static_cast<Precision>(state.range(0));
  const int64_t queries = state.range(1), keys = state.range(2);
  const std::vector<float> fused = Uniform(std::max(queries, keys) * kFused);
  AlignedBuffer packed(PackedKeysValuesBytes(precision, kHeadDim, keys));
  const int64_t block = 96;
  AlignedBuffer scratch(AttendScratchBytes(block, kHeadDim));
  std::vector<float> out(static_cast<size_t>(queries * kWidth));
  const bool pack_each_time = queries > 8;
  PackedKeysValues kv =
      PackKeysValues(precision, fused.data() + kWidth, kFused, fused.data() + 2 * kWidth, kFused,
                     keys, kHeadDim, packed.data());
  for (auto _ : state) {
    if (pack_each_time) {
      kv = PackKeysValues(precision, fused.data() + kWidth, kFused, fused.data() + 2 * kWidth,
                          kFused, keys, kHeadDim, packed.data());
    }
    for (int64_t row = 0; row < queries; row += block) {
      AttendBlock(kv, fused.data() + row * kFused, kFused, std::min(block, queries - row), {0.125f},
                  out.data() + row * kWidth, kWidth, scratch.data());
    }
    benchmark::ClobberMemory();
  }
  const double rows = static_cast<double>(2 * queries + (pack_each_time ? 2 * keys : 0));
  CountWork(
      state, precision, 4.0 * static_cast<double>(queries * keys * kHeadDim),
      rows * kHeadDim * 4 + static_cast<double>(PackedKeysValuesBytes(precision, kHeadDim, keys)));
  state.SetLabel(std::string(PrecisionName(precision)));
}
BENCHMARK(BM_Attention)
    ->ArgNames({"p", "q", "kv"})
    ->ArgsProduct({{0, 1, 2}, {1, 5, 8, 1500}, {1500}})
    ->Unit(benchmark::kMicrosecond);

// Arguments: precision; the keys and values of one head of a window.
void BM_PackKeysValues(benchmark::State& state) {
  const auto precision = static_cast<Precision>(state.range(0));
  constexpr int64_t kKeys = 1500;
  const std::vector<float> fused = Uniform(kKeys * kFused);
  AlignedBuffer packed(PackedKeysValuesBytes(precision, kHeadDim, kKeys));
  for (auto _ : state) {
    PackKeysValues(precision, fused.data() + kWidth, kFused, fused.data() + 2 * kWidth, kFused,
                   kKeys, kHeadDim, packed.data());
    benchmark::ClobberMemory();
  }
  CountWork(state, precision, 0,
            2.0 * kKeys * kHeadDim * 4 +
                static_cast<double>(PackedKeysValuesBytes(precision, kHeadDim, kKeys)));
  state.SetLabel(std::string(PrecisionName(precision)));
}
BENCHMARK(BM_PackKeysValues)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMicrosecond);

// Arguments: type of the cache, positions. All eight heads of one token, whose history alternates
// between two slots, as a beam's may.
void BM_CachedAttention(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const int64_t length = state.range(1), capacity = 448, heads = kWidth / kHeadDim;
  std::vector<float> query = Uniform(kWidth), out(kWidth);
  AlignedBuffer keys(static_cast<size_t>(2 * capacity * kWidth) * DTypeSize(dtype));
  AlignedBuffer values(keys.bytes());
  std::fill_n(static_cast<char*>(keys.data()), keys.bytes(), '\x3c');
  std::fill_n(static_cast<char*>(values.data()), values.bytes(), '\x3c');
  std::vector<int32_t> slots(static_cast<size_t>(length));
  for (size_t p = 0; p < slots.size(); ++p) slots[p] = static_cast<int32_t>(p / 16 % 2);
  std::vector<float> scratch(CachedAttentionScratchFloats(length));
  for (auto _ : state) {
    for (int64_t head = 0; head < heads; ++head) {
      const auto view = [&](const AlignedBuffer& cache) {
        CacheView v;
        v.data = static_cast<const char*>(cache.data()) +
                 static_cast<size_t>(head * kHeadDim) * DTypeSize(dtype);
        v.dtype = dtype;
        v.slot_stride = capacity * kWidth;
        v.position_stride = kWidth;
        return v;
      };
      CachedAttentionArgs args;
      args.query = query.data() + head * kHeadDim;
      args.query_ld = kWidth;
      args.head_dim = kHeadDim;
      args.scale = 0.125f;
      args.key = view(keys);
      args.value = view(values);
      args.length = length;
      args.slots = slots.data();
      args.out = out.data() + head * kHeadDim;
      args.out_ld = kWidth;
      args.scratch = scratch.data();
      CachedAttention(args);
    }
    benchmark::ClobberMemory();
  }
  CountWork(state, Precision::kF32, 4.0 * static_cast<double>(length * kWidth),
            static_cast<double>(2 * length * kWidth) * static_cast<double>(DTypeSize(dtype)));
  state.SetLabel(std::string(DTypeName(dtype)));
}
BENCHMARK(BM_CachedAttention)
    ->ArgNames({"type", "length"})
    ->ArgsProduct({{static_cast<int64_t>(DType::kF32), static_cast<int64_t>(DType::kBF16)},
                   {61, 224, 448}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tessera::kernels
