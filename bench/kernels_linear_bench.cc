// LinearRows on whisper-base's layers, one thread.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "core_limits.h"
#include "kernels/linear.h"
#include "kernels/quantize.h"

namespace tessera::kernels {
namespace {

// Arguments: precision, rows, k, n, GELU in the epilogue.
void BM_Linear(benchmark::State& state) {
  const auto precision = static_cast<Precision>(state.range(0));
  const int64_t rows = state.range(1), k = state.range(2), n = state.range(3);
  const bool fused = state.range(4) != 0;
  uint32_t bits = 1;
  const auto uniform = [&] {
    return static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
  };
  std::vector<float> weight(static_cast<size_t>(n * k)), input(static_cast<size_t>(rows * k));
  for (float& v : weight) v = uniform();
  for (float& v : input) v = uniform();
  const PackedLinear packed =
      *PackLinear({View{weight.data(), DType::kF32, {n, k}}, {}}, precision);
  weight = {};
  AlignedBuffer activations(static_cast<size_t>(rows * k) * 4);
  std::vector<float> scale(static_cast<size_t>(rows));
  switch (precision) {
    case Precision::kF32:
      std::copy(input.begin(), input.end(), static_cast<float*>(activations.data()));
      break;
    case Precision::kBf16:
      ConvertRowsBf16(input.data(), k, rows, k, static_cast<BF16*>(activations.data()), k);
      break;
    case Precision::kInt8:
      QuantizeRotatedRowsU8(input.data(), k, rows, k, nullptr,
                            static_cast<uint8_t*>(activations.data()), k, scale.data());
      break;
  }
  AlignedBuffer out(static_cast<size_t>(rows * n) * 4);
  LinearEpilogue epilogue;
  if (fused) epilogue.activation = Activation::kGelu;
  for (auto _ : state) {
    LinearRows(packed, {activations.data(), k, scale.data()}, rows, 0, n, epilogue,
               {out.data(), n, DType::kF32});
    benchmark::ClobberMemory();
  }
  const auto weights = static_cast<double>(packed.PanelBytes() * packed.n_padded / kPanelColumns);
  const double arrays =
      static_cast<double>(rows * k) * static_cast<double>(DTypeSize(ActivationDType(precision))) +
      static_cast<double>(rows * n) * 4;
  CountWork(state, precision, 2.0 * static_cast<double>(rows * k * n), weights + arrays);
  state.SetLabel(std::string(PrecisionName(precision)));
}

void Shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"p", "m", "k", "n", "gelu"});
  for (int64_t p : {0, 1, 2}) {
    for (const auto& [k, n] :
         {std::pair<int64_t, int64_t>{512, 1536}, {512, 512}, {512, 2048}, {2048, 512}}) {
      b->Args({p, 1500, k, n, 0});
    }
    b->Args({p, 1500, 512, 2048, 1});
    for (int64_t m : {1, 4, 8}) {
      b->Args({p, m, 512, 2048, 0});
      b->Args({p, m, 512, 51865, 0});
    }
  }
}
BENCHMARK(BM_Linear)->Apply(Shapes)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tessera::kernels
