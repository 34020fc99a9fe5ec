// rotation.h's R in vectors, compiled per target.
#if defined(TESSERA_KERNELS_ROTATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_ROTATION_INL_H_
#undef TESSERA_KERNELS_ROTATION_INL_H_
#else
#define TESSERA_KERNELS_ROTATION_INL_H_
#endif

#include "kernels/rotation.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Stages of the Hadamard product within a vector, for distances 1, 2, 4, ... lanes.
class LaneStages {
 public:
  HWY_INLINE LaneStages() {
    const DI di;
    const VI lane = hn::Iota(di, 0);
    TESSERA_UNROLL
    for (int i = 0; i < kStages; ++i) {
      const VI upper = hn::And(lane, hn::Set(di, 1 << i));
      sign_[i] = hn::IfThenElse(hn::RebindMask(DF(), hn::Ne(upper, hn::Zero(di))),
                                hn::Set(DF(), -1.0f), hn::Set(DF(), 1.0f));
    }
  }

  // partner + v in the lower lane of a pair, partner - v in the upper one. The product is exact.
  HWY_INLINE VF operator()(VF v) const {
    v = hn::MulAdd(v, sign_[0], hn::Shuffle2301(v));
    v = hn::MulAdd(v, sign_[1], hn::Shuffle1032(v));
    if constexpr (kStages > 3) v = hn::MulAdd(v, sign_[2], hn::SwapAdjacentBlocks(v));
    if constexpr (kStages > 2)
      v = hn::MulAdd(v, sign_[kStages - 1], hn::ConcatLowerUpper(DF(), v, v));
    return v;
  }

 private:
  static constexpr int kStages = kLanes == 16 ? 4 : kLanes == 8 ? 3 : 2;
  VF sign_[kStages];
};

// Stages among kVectors vectors.
template <int kVectors>
HWY_INLINE void Butterflies(VF* v) {
  TESSERA_UNROLL
  for (int half = 1; half < kVectors; half *= 2) {
    TESSERA_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      if ((i & half) != 0) continue;
      const VF a = v[i], b = v[i + half];
      v[i] = hn::Add(a, b);
      v[i + half] = hn::Sub(a, b);
    }
  }
}

// The stages within groups of kVectors neighbouring vectors of values `load(i)`.
template <int kVectors, class F>
HWY_INLINE void RotateGroups(const float* factors, int64_t k, float* y, F&& load) {
  const LaneStages lanes;
  for (int64_t i = 0; i < k; i += kVectors * static_cast<int64_t>(kLanes)) {
    VF v[kVectors];
    TESSERA_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      const int64_t at = i + j * static_cast<int64_t>(kLanes);
      v[j] = lanes(hn::Mul(load(at), hn::LoadU(DF(), factors + at)));
    }
    Butterflies<kVectors>(v);
    TESSERA_UNROLL
    for (int j = 0; j < kVectors; ++j)
      hn::StoreU(v[j], DF(), y + i + j * static_cast<int64_t>(kLanes));
  }
}

// The stages for distances stride, 2 * stride, ... kVectors / 2 * stride of y[k].
template <int kVectors>
HWY_INLINE void RotateStrided(int64_t k, int64_t stride, float* y) {
  for (int64_t begin = 0; begin < k; begin += kVectors * stride) {
    for (int64_t i = begin; i < begin + stride; i += static_cast<int64_t>(kLanes)) {
      VF v[kVectors];
      TESSERA_UNROLL
      for (int j = 0; j < kVectors; ++j) v[j] = hn::LoadU(DF(), y + i + j * stride);
      Butterflies<kVectors>(v);
      TESSERA_UNROLL
      for (int j = 0; j < kVectors; ++j) hn::StoreU(v[j], DF(), y + i + j * stride);
    }
  }
}

HWY_INLINE void MixThree(int64_t block, float* y) {
  const VF two_thirds = hn::Set(DF(), 2.0f / 3.0f);
  for (int64_t i = 0; i < block; i += static_cast<int64_t>(kLanes)) {
    const VF a = hn::LoadU(DF(), y + i), b = hn::LoadU(DF(), y + block + i),
             c = hn::LoadU(DF(), y + 2 * block + i);
    const VF shift = hn::Mul(hn::Add(hn::Add(a, b), c), two_thirds);
    hn::StoreU(hn::Sub(a, shift), DF(), y + i);
    hn::StoreU(hn::Sub(b, shift), DF(), y + block + i);
    hn::StoreU(hn::Sub(c, shift), DF(), y + 2 * block + i);
  }
}

// y[k] = R(F x) of the values whose whole vectors `load(i)` gives; rotation.block >= 16.
template <class F>
HWY_INLINE void RotateInto(const Rotation& rotation, const float* factors, int64_t k, float* y,
                           F&& load) {
  const int64_t vectors = rotation.block / static_cast<int64_t>(kLanes);
  int64_t stride = 8 * static_cast<int64_t>(kLanes);
  if (vectors >= 8) {
    RotateGroups<8>(factors, k, y, load);
  } else if (vectors == 4) {
    RotateGroups<4>(factors, k, y, load);
  } else if (vectors == 2) {
    RotateGroups<2>(factors, k, y, load);
  } else {
    RotateGroups<1>(factors, k, y, load);
  }
  for (; stride * 8 <= rotation.block; stride *= 8) RotateStrided<8>(k, stride, y);
  if (stride * 4 <= rotation.block) {
    RotateStrided<4>(k, stride, y);
  } else if (stride * 2 <= rotation.block) {
    RotateStrided<2>(k, stride, y);
  }
  if (rotation.mixes_three) MixThree(rotation.block, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_KERNELS_ROTATION_INL_H_
