// The limit loops with the instructions of linear_tile-inl.h, for every vector instruction set.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/machine_limits_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <utility>

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

// From here on the compiler knows nothing of the operand's value. Else it would notice that all
// sums are the same, and compute one; or take the first part of a product out of the loop.
#if HWY_ARCH_X86
#define TESSERA_VECTOR_REGISTER "+v"
#else
#define TESSERA_VECTOR_REGISTER "+w"
#endif
template <class V>
HWY_INLINE void Opaque(V& v) {
  VI bits = hn::BitCast(DI(), v);
  asm volatile("" : TESSERA_VECTOR_REGISTER(bits.raw));
  v = hn::BitCast(hn::DFromV<V>(), bits);
}
#if HWY_TARGET == HWY_AVX2
HWY_INLINE void Opaque(__m256i& v) { asm volatile("" : TESSERA_VECTOR_REGISTER(v)); }
#endif
#if !HWY_NATIVE_DOT_BF16
HWY_INLINE void Opaque(Bf16Ops::Pair& pair) {
  Opaque(pair.even);
  Opaque(pair.odd);
}
#endif

template <class Ops>
HWY_INLINE void StepOne(typename Ops::Acc& sum, decltype(Ops::Broadcast(nullptr))& a,
                        const typename Ops::Weight& w) {
  Opaque(a);
  sum = Ops::Step(sum, a, w);
}

// Every index is a constant, not a loop's: g++ then keeps the sums in registers too.
template <class Ops, size_t... kIndex>
HWY_INLINE void MultiplyAddAll(int64_t steps, std::index_sequence<kIndex...>) {
  using D = typename Ops::D;
  // 0x3c3c is a small bf16, 0x3c3c3c3c a small f32, 0x3c an ordinary int8: sums stay finite.
  alignas(64) uint8_t operands[64];
  for (uint8_t& byte : operands) byte = 0x3c;
  auto a = Ops::Broadcast(operands);
  const auto w = Ops::Load(operands);
  typename Ops::Acc sums[kSums];
  ((sums[kIndex] = hn::Zero(D())), ...);
  for (int64_t s = 0; s < steps; ++s) (StepOne<Ops>(sums[kIndex], a, w), ...);
  auto total = hn::Zero(D());
  ((total = hn::Add(total, sums[kIndex])), ...);
  hn::TFromD<D> out[kLanes];
  hn::StoreU(total, D(), out);
  hwy::PreventElision(out[0]);
}

template <class Ops>
HWY_NOINLINE void MultiplyAdds(int64_t steps) {
  MultiplyAddAll<Ops>(steps, std::make_index_sequence<kSums>());
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
