// The vector types of this folder and their partial loads and stores, compiled per target.
#if defined(TESSERA_KERNELS_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_VECTOR_INL_H_
#undef TESSERA_KERNELS_VECTOR_INL_H_
#else
#define TESSERA_KERNELS_VECTOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::ScalableTag<int32_t>;
using DU = hn::ScalableTag<uint32_t>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;

constexpr size_t kLanes = HWY_MAX_BYTES / 4;

// Before a loop over an array of vectors that has to stay in registers: unrolled early.
#ifndef TESSERA_UNROLL
#if defined(__clang__)
#define TESSERA_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define TESSERA_UNROLL _Pragma("GCC unroll 16")
#else
#define TESSERA_UNROLL
#endif
#endif

// The first `count` values; zeros in the other lanes.
HWY_INLINE VF LoadUpTo(const float* p, size_t count) {
  return HWY_LIKELY(count >= kLanes) ? hn::LoadU(DF(), p) : hn::LoadN(DF(), p, count);
}

template <class V, class D, class T>
HWY_INLINE void StoreUpTo(V v, D d, T* p, size_t count) {
  if (HWY_LIKELY(count >= kLanes)) {
    hn::StoreU(v, d, p);
  } else {
    hn::StoreN(v, d, p, count);
  }
}

// f32 to the bits of bf16, nearest even, NaN kept; in integers, so that every target gives the same
// bits.
HWY_INLINE hn::Vec<hn::Rebind<uint16_t, DF>> Bf16Bits(VF v) {
  const DU du;
  const VU u = hn::BitCast(du, v);
  const VU odd = hn::And(hn::ShiftRight<16>(u), hn::Set(du, 1));
  const VU rounded = hn::ShiftRight<16>(hn::Add(u, hn::Add(odd, hn::Set(du, 0x7FFF))));
  const VU nan = hn::Or(hn::ShiftRight<16>(u), hn::Set(du, 0x40));
  const VU bits = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), nan, rounded);
  return hn::TruncateTo(hn::Rebind<uint16_t, DF>(), bits);
}

HWY_INLINE void StoreBf16(VF v, BF16* out, size_t count) {
  StoreUpTo(Bf16Bits(v), hn::Rebind<uint16_t, DF>(), &out->bits, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_KERNELS_VECTOR_INL_H_
