// The limit loops with the instructions of linear_tile-inl.h, for every vector instruction set.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/machine_limits_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <type_traits>

#include "kernels/machine_limits_loops.h"
#if TESSERA_SIMD_TARGET
#include "kernels/linear_tile-inl.h"
#endif

#if TESSERA_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

// Independent sums: more than latency times throughput of a multiply-add anywhere (16 on the widest
// ARM cores), and with the operands no more than there are registers.
constexpr int kSums = HWY_TARGET == HWY_AVX2 ? 10 : 24;

// Integer products are made by several instructions on some targets; the first ones must not be
// shared between sums or taken out of the loop.
#if HWY_ARCH_X86
#define TESSERA_VECTOR_REGISTER "+v"
#else
#define TESSERA_VECTOR_REGISTER "+w"
#endif
HWY_INLINE void Opaque(VI& v) { asm volatile("" : TESSERA_VECTOR_REGISTER(v.raw)); }
#if HWY_TARGET == HWY_AVX2
HWY_INLINE void Opaque(__m256i& v) { asm volatile("" : TESSERA_VECTOR_REGISTER(v)); }
#endif

template <class Ops>
HWY_NOINLINE void MultiplyAdds(int64_t steps) {
  using D = typename Ops::D;
  // 0x3c3c is a small bf16, 0x3c3c3c3c a small f32, 0x3c an ordinary int8: sums stay finite.
  alignas(64) uint8_t operands[64];
  for (uint8_t& byte : operands) byte = 0x3c;
  auto a = Ops::Broadcast(operands);
  const auto w = Ops::Load(operands);
  typename Ops::Acc sums[kSums];
  for (auto& sum : sums) sum = hn::Zero(D());
  for (int64_t s = 0; s < steps; ++s) {
    for (auto& sum : sums) {
      if constexpr (std::is_same_v<Ops, Int8Ops>) Opaque(a);
      sum = Ops::Step(sum, a, w);
    }
  }
  auto total = sums[0];
  for (int i = 1; i < kSums; ++i) total = hn::Add(total, sums[i]);
  hn::TFromD<D> out[kLanes];
  hn::StoreU(total, D(), out);
  hwy::PreventElision(out[0]);
}

// Multiply-adds in one Step of a vector: one an f32 lane, two bf16, four int8.
template <class Ops>
OperationLoop LoopOf(int products_per_lane) {
  return {MultiplyAdds<Ops>, 2.0 * products_per_lane * static_cast<double>(kLanes) * kSums};
}

void ReadAll(const uint8_t* data, size_t bytes) {
  constexpr int kVectors = 8;
  constexpr size_t kBytes = kLanes * 4;
  static_assert(kReadUnit % (kVectors * kBytes) == 0);
  const auto* words = reinterpret_cast<const uint32_t*>(data);
  VU sums[kVectors];
  for (VU& sum : sums) sum = hn::Zero(DU());
  for (size_t i = 0; i < bytes / 4; i += kVectors * kLanes) {
    for (size_t v = 0; v < kVectors; ++v)
      sums[v] = hn::Add(sums[v], hn::Load(DU(), words + i + v * kLanes));
  }
  for (int v = 1; v < kVectors; ++v) sums[0] = hn::Add(sums[0], sums[v]);
  uint32_t out[kLanes];
  hn::StoreU(sums[0], DU(), out);
  hwy::PreventElision(out[0]);
}

void FillLimits(LimitLoops& loops) {
  loops.f32 = LoopOf<F32Ops>(1);
  loops.bf16 = LoopOf<Bf16Ops>(2);
  loops.int8 = LoopOf<Int8Ops>(4);
  loops.read = ReadAll;
}

#undef TESSERA_VECTOR_REGISTER
}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {

bool FillLimitsSimd(Isa isa, LimitLoops& loops) { TESSERA_FILL(isa, FillLimits, loops); }

}  // namespace tessera::kernels
#endif  // HWY_ONCE
