// The row-wise kernels on whisper-base's sizes, one thread: all are bound by the caches or the
// memory, so bytes count.
#include <benchmark/benchmark.h>

#include <vector>

#include "core_limits.h"
#include "kernels/gather.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/log_softmax.h"
#include "kernels/quantize.h"
#include "kernels/softmax.h"
#include "tensor/tensor.h"

namespace tessera::kernels {
namespace {

// A block of rows as a chain works on them.
constexpr int64_t kRows = 96;
constexpr int64_t kVocabulary = 51865;

std::vector<float> Uniform(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint32_t bits = 1;
  for (float& v : values)
    v = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-22f - 2.0f;
  return values;
}

void CountBytes(benchmark::State& state, double bytes) {
  CountWork(state, Precision::kF32, 0, bytes);
}

// Input, and output elements of `out_size` bytes.
void CountRows(benchmark::State& state, int64_t rows, int64_t columns, int64_t out_size) {
  CountBytes(state, static_cast<double>(rows * columns) * static_cast<double>(4 + out_size));
}

struct Norm {
  explicit Norm(int64_t d) : gamma(Uniform(d)), beta(Uniform(d)) {
    weights = {.gamma = gamma.data(), .beta = beta.data(), .d = d};
  }
  std::vector<float> gamma, beta;
  LayerNormWeights weights;
};

void BM_LayerNormF32(benchmark::State& state) {
  const int64_t d = state.range(0);
  const Norm norm(d);
  const std::vector<float> x = Uniform(kRows * d);
  AlignedBuffer y(static_cast<size_t>(kRows * d) * 4);
  for (auto _ : state) {
    LayerNormRowsF32(norm.weights, x.data(), d, kRows, static_cast<float*>(y.data()), d);
    benchmark::ClobberMemory();
  }
  CountRows(state, kRows, d, 4);
}
BENCHMARK(BM_LayerNormF32)->Arg(512);

void BM_LayerNormBf16(benchmark::State& state) {
  const int64_t d = state.range(0);
  const Norm norm(d);
  const std::vector<float> x = Uniform(kRows * d);
  AlignedBuffer y(static_cast<size_t>(kRows * d) * 2);
  for (auto _ : state) {
    LayerNormRowsBf16(norm.weights, x.data(), d, kRows, static_cast<BF16*>(y.data()), d);
    benchmark::ClobberMemory();
  }
  CountRows(state, kRows, d, 2);
}
BENCHMARK(BM_LayerNormBf16)->Arg(512);

void BM_LayerNormU8(benchmark::State& state) {
  const int64_t d = state.range(0);
  const Norm norm(d);
  const std::vector<float> x = Uniform(kRows * d);
  AlignedBuffer y(static_cast<size_t>(kRows * d));
  std::vector<float> scale(kRows);
  for (auto _ : state) {
    LayerNormRowsU8(norm.weights, x.data(), d, kRows, nullptr, static_cast<uint8_t*>(y.data()), d,
                    scale.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, kRows, d, 1);
}
BENCHMARK(BM_LayerNormU8)->Arg(512);

void BM_QuantizeU8(benchmark::State& state) {
  const int64_t columns = state.range(0);
  const std::vector<float> x = Uniform(kRows * columns);
  AlignedBuffer y(static_cast<size_t>(kRows * columns));
  std::vector<float> scale(kRows);
  for (auto _ : state) {
    QuantizeRotatedRowsU8(x.data(), columns, kRows, columns, nullptr,
                          static_cast<uint8_t*>(y.data()), columns, scale.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, kRows, columns, 1);
}
BENCHMARK(BM_QuantizeU8)->Arg(512)->Arg(2048);

void BM_ConvertBf16(benchmark::State& state) {
  const int64_t columns = state.range(0);
  const std::vector<float> x = Uniform(kRows * columns);
  AlignedBuffer y(static_cast<size_t>(kRows * columns) * 2);
  for (auto _ : state) {
    ConvertRowsBf16(x.data(), columns, kRows, columns, static_cast<BF16*>(y.data()), columns);
    benchmark::ClobberMemory();
  }
  CountRows(state, kRows, columns, 2);
}
BENCHMARK(BM_ConvertBf16)->Arg(512)->Arg(2048);

void BM_Gelu(benchmark::State& state) {
  const int64_t count = kRows * state.range(0);
  const std::vector<float> x = Uniform(count);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    Gelu(x.data(), count, y.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, 1, count, 4);
}
BENCHMARK(BM_Gelu)->Arg(2048);

void BM_Add(benchmark::State& state) {
  const int64_t count = kRows * state.range(0);
  const std::vector<float> a = Uniform(count), b = Uniform(count);
  std::vector<float> y(a.size());
  for (auto _ : state) {
    Add(a.data(), b.data(), count, y.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, 1, count, 8);
}
BENCHMARK(BM_Add)->Arg(512);

void BM_Softmax(benchmark::State& state) {
  const int64_t rows = state.range(0), columns = state.range(1);
  const std::vector<float> x = Uniform(rows * columns);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    SoftmaxRows(x.data(), columns, rows, columns, y.data(), columns);
    benchmark::ClobberMemory();
  }
  CountRows(state, rows, columns, 4);
}
BENCHMARK(BM_Softmax)->Args({kRows, 1500})->Args({1, kVocabulary});

// What a search needs of a step's logits, for 1 and 8 rows.
void BM_LogSoftmaxStats(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const std::vector<float> x = Uniform(rows * kVocabulary);
  std::vector<RowStats> stats(static_cast<size_t>(rows));
  for (auto _ : state) {
    LogSoftmaxStats(x.data(), kVocabulary, rows, kVocabulary, stats.data());
    benchmark::ClobberMemory();
  }
  CountRows(state, rows, kVocabulary, 0);
}
BENCHMARK(BM_LogSoftmaxStats)->Arg(1)->Arg(8);

void BM_LogSoftmaxApply(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const std::vector<float> x = Uniform(rows * kVocabulary);
  std::vector<float> y(x.size());
  std::vector<RowStats> stats(static_cast<size_t>(rows), RowStats{.max = 2, .log_sum_exp = 11});
  for (auto _ : state) {
    LogSoftmaxApply(x.data(), kVocabulary, rows, kVocabulary, stats.data(), y.data(), kVocabulary);
    benchmark::ClobberMemory();
  }
  CountRows(state, rows, kVocabulary, 4);
}
BENCHMARK(BM_LogSoftmaxApply)->Arg(1)->Arg(8);

// Arguments: type of the table, ids. Rows of the token embedding far from each other.
void BM_Gather(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const int64_t count = state.range(1), d = 512;
  AlignedBuffer table(static_cast<size_t>(kVocabulary * d) * DTypeSize(dtype));
  std::fill_n(static_cast<char*>(table.data()), table.bytes(), '\x2c');
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 7919 % kVocabulary);
  std::vector<float> out(static_cast<size_t>(count * d));
  for (auto _ : state) {
    GatherRows(table.data(), dtype, kVocabulary, d, d, ids.data(), count, out.data(), d);
    benchmark::ClobberMemory();
  }
  CountBytes(state, static_cast<double>(count * d) * static_cast<double>(4 + DTypeSize(dtype)));
  state.SetLabel(std::string(DTypeName(dtype)));
}
BENCHMARK(BM_Gather)
    ->ArgNames({"type", "ids"})
    ->ArgsProduct({{static_cast<int64_t>(DType::kF32), static_cast<int64_t>(DType::kF16)},
                   {8, 256}});

}  // namespace
}  // namespace tessera::kernels
