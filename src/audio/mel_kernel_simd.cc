// Instances of the log-mel kernels for every instruction set, chosen at run time.
#include "audio/mel_kernel.h"

// The templates keep vectors in arrays, which vectors of unknown size cannot be; those machines run
// the fixed-size sets too. Of NEON only what every 64-bit ARM has: for more, g++ would want the
// pragma's instruction set in the members that structures of vectors get of themselves.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_ALL_SVE | HWY_RVV | HWY_NEON | HWY_NEON_BF16)
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "audio/mel_kernel_simd.cc"
// clang-format off: this order is needed
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes: the buffers then stay in the nearest caches, and wider vectors would gain
// nothing.
using Tag = hn::CappedTag<float, 16>;

struct Lanes {
  using V = hn::Vec<Tag>;
  static constexpr int kLanes = static_cast<int>(hn::MaxLanes(Tag()));
  static V Load(const float* p) { return hn::Load(Tag(), p); }
  static void Store(V v, float* p) { hn::Store(v, Tag(), p); }
  static V Set(float x) { return hn::Set(Tag(), x); }
};

#include "audio/mel_kernel-inl.h"

void MelPowerFramesImpl(const float* samples, int64_t count, const MelFilters& filters,
                        float* out) {
  MelPowerFramesT<Lanes>(samples, count, filters, out);
}

void MelLogScaleImpl(float* values, int64_t count, float log_floor) {
  const Tag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto smallest = hn::Set(d, 1e-10f), floor = hn::Set(d, log_floor);
  const auto scale = [&](auto v) {
    const auto level = hn::Max(hn::Log10(d, hn::Max(v, smallest)), floor);
    return hn::Mul(hn::Add(level, hn::Set(d, 4.0f)), hn::Set(d, 0.25f));
  };
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(scale(hn::LoadU(d, values + i)), d, values + i);
  }
  if (i < count) {
    const size_t rest = static_cast<size_t>(count - i);
    hn::StoreN(scale(hn::LoadN(d, values + i, rest)), d, values + i, rest);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {

HWY_EXPORT(MelPowerFramesImpl);
HWY_EXPORT(MelLogScaleImpl);

void MelPowerFrames(const float* samples, int64_t count, const MelFilters& filters, float* out) {
  HWY_DYNAMIC_DISPATCH(MelPowerFramesImpl)(samples, count, filters, out);
}

void MelLogScale(float* values, int64_t count, float log_floor) {
  HWY_DYNAMIC_DISPATCH(MelLogScaleImpl)(values, count, log_floor);
}

}  // namespace tessera
#endif  // HWY_ONCE
