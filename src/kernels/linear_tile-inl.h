// The register tile shared by the linear and the attention kernels, compiled per target.
//
// All three formats look alike to it: a step of k is one 32-bit word of the activation row (1 f32,
// 2 bf16 or 4 u8), broadcast, and 64 words of the panel, one for each output column. A tile holds
// kRows x kVecs accumulators in registers.
#if defined(TESSERA_KERNELS_LINEAR_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_LINEAR_TILE_INL_H_
#undef TESSERA_KERNELS_LINEAR_TILE_INL_H_
#else
#define TESSERA_KERNELS_LINEAR_TILE_INL_H_
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kPanelWidth = 64;
constexpr int64_t kStepBytes = kPanelWidth * 4;
constexpr int kPanelVecs = static_cast<int>(kPanelWidth / kLanes);

HWY_INLINE int32_t LoadWord(const uint8_t* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return word;
}

struct F32Ops {
  using D = DF;
  using Acc = VF;
  using Weight = VF;
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return hn::LoadU(DF(), reinterpret_cast<const float*>(p));
  }
  static HWY_INLINE VF Broadcast(const uint8_t* p) {
    float x;
    std::memcpy(&x, p, 4);
    return hn::Set(DF(), x);
  }
  static HWY_INLINE Acc Step(Acc acc, VF a, const Weight& w) { return hn::MulAdd(a, w, acc); }
};

#if HWY_NATIVE_DOT_BF16
struct Bf16Ops {
  using D = DF;
  using Acc = VF;
  using DB = hn::Repartition<hwy::bfloat16_t, DF>;
  using Activation = hn::Vec<DB>;
  using Weight = hn::Vec<DB>;
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return hn::BitCast(DB(), hn::LoadU(DI(), reinterpret_cast<const int32_t*>(p)));
  }
  static HWY_INLINE Activation Broadcast(const uint8_t* p) {
    return hn::BitCast(DB(), hn::Set(DI(), LoadWord(p)));
  }
  static HWY_INLINE Acc Step(Acc acc, Activation a, const Weight& w) {
    VF unused = hn::Zero(DF());
    return hn::ReorderWidenMulAccumulate(DF(), a, w, acc, unused);
  }
};
#else
// Without BF16 dot products: a bf16 is the upper half of an f32, and its products are exact in the
// fused multiply-add.
struct Bf16Ops {
  using D = DF;
  using Acc = VF;
  struct Pair {
    VF even, odd;
  };
  using Weight = Pair;
  static HWY_INLINE Pair Split(VU words) {
    return {hn::BitCast(DF(), hn::ShiftLeft<16>(words)),
            hn::BitCast(DF(), hn::And(words, hn::Set(DU(), 0xFFFF0000u)))};
  }
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return Split(hn::LoadU(DU(), reinterpret_cast<const uint32_t*>(p)));
  }
  static HWY_INLINE Pair Broadcast(const uint8_t* p) {
    return Split(hn::Set(DU(), static_cast<uint32_t>(LoadWord(p))));
  }
  static HWY_INLINE Acc Step(Acc acc, const Pair& a, const Weight& w) {
    return hn::MulAdd(a.odd, w.odd, hn::MulAdd(a.even, w.even, acc));
  }
};
#endif  // HWY_NATIVE_DOT_BF16

// Sums of u8 * s8. Where the dot product wants another sign, 128 is taken off the activations, and
// kZeroPoint says what the sums still contain: sum(w * (a + kZeroPoint - 128)).
#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86
struct Int8Ops {
  using D = DI;
  using Acc = VI;
  static constexpr bool kZeroPointInSums = true;
  using Weight = VI;
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return hn::LoadU(DI(), reinterpret_cast<const int32_t*>(p));
  }
  static HWY_INLINE VI Broadcast(const uint8_t* p) { return hn::Set(DI(), LoadWord(p)); }
  static HWY_INLINE Acc Step(Acc acc, VI a, const Weight& w) {
    const hn::Repartition<uint8_t, DI> du8;
    const hn::Repartition<int8_t, DI> di8;
    return hn::SumOfMulQuadAccumulate(DI(), hn::BitCast(du8, a), hn::BitCast(di8, w), acc);
  }
};
#elif HWY_TARGET == HWY_AVX2
// maddubs saturates at 2^15; with |w| <= 127 and |a - 128| <= 127, moving w's sign to a keeps each
// pair below 32258: exact.
struct Int8Ops {
  using D = DI;
  using Acc = VI;
  static constexpr bool kZeroPointInSums = false;
  struct Weight {
    __m256i w, magnitude;
  };
  static HWY_INLINE Weight Load(const uint8_t* p) {
    const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {w, _mm256_abs_epi8(w)};
  }
  static HWY_INLINE __m256i Broadcast(const uint8_t* p) {
    return _mm256_set1_epi32(LoadWord(p) ^ static_cast<int32_t>(0x80808080u));
  }
  static HWY_INLINE Acc Step(Acc acc, __m256i a, const Weight& w) {
    const __m256i pairs = _mm256_maddubs_epi16(w.magnitude, _mm256_sign_epi8(a, w.w));
    const __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    return VI{_mm256_add_epi32(acc.raw, quads)};
  }
};
#else
struct Int8Ops {
  using D = DI;
  using Acc = VI;
  static constexpr bool kZeroPointInSums = false;
  using Weight = VI;
  static HWY_INLINE Weight Load(const uint8_t* p) {
    return hn::LoadU(DI(), reinterpret_cast<const int32_t*>(p));
  }
  static HWY_INLINE VI Broadcast(const uint8_t* p) {
    return hn::Set(DI(), LoadWord(p) ^ static_cast<int32_t>(0x80808080u));
  }
  static HWY_INLINE Acc Step(Acc acc, VI a, const Weight& w) {
    const hn::Repartition<int8_t, DI> di8;
    return hn::SumOfMulQuadAccumulate(DI(), hn::BitCast(di8, a), hn::BitCast(di8, w), acc);
  }
};
#endif

// Rows and vectors of the largest tile: accumulators, one row of weights and a broadcast must fit
// the register file (32 in AVX-512 and NEON, 16 in AVX2, where int8 also needs |w| and bf16 both
// halves of w).
template <class Ops>
struct TileShape {
#if HWY_TARGET == HWY_AVX2
  static constexpr bool kWide = std::is_same_v<Ops, F32Ops>;
  static constexpr int kRows = kWide ? 6 : 4;
  static constexpr int Vecs(int rows) {
    return rows == 1 ? (kWide ? 8 : 4) : rows <= 3 && kWide ? 4 : 2;
  }
#elif HWY_ARCH_X86
  static constexpr int kRows = 6;
  static constexpr int Vecs(int) { return 4; }
#else
  static constexpr int kRows = 6;
  static constexpr int Vecs(int rows) { return rows <= 2 ? 8 : 4; }
#endif
};

// acc[r][c] += a[r, :] * panel columns, over `steps` steps. `w` points at the first of kVecs
// vectors in the panel's first step.
template <class Ops, int kRows, int kVecs>
HWY_INLINE void AccumulateTile(const uint8_t* HWY_RESTRICT a, int64_t a_stride,
                               const uint8_t* HWY_RESTRICT w, int64_t steps,
                               typename Ops::Acc (&acc)[kRows][kVecs]) {
  for (int64_t s = 0; s < steps; ++s) {
    typename Ops::Weight weights[kVecs];
    for (int c = 0; c < kVecs; ++c) weights[c] = Ops::Load(w + c * kLanes * 4);
    for (int r = 0; r < kRows; ++r) {
      const auto word = Ops::Broadcast(a + r * a_stride + s * 4);
      for (int c = 0; c < kVecs; ++c) acc[r][c] = Ops::Step(acc[r][c], word, weights[c]);
    }
    w += kStepBytes;
  }
}

// sums[kRows][64] (+)= a * panel over `steps` steps; the tile's 64 columns in groups of kVecs
// vectors. The words of `sums` are f32 or int32, rows `sums_ld` words apart. With `resume` the sums
// continue from what is there: k may be cut in blocks without changing a bit.
template <class Ops, int kRows>
HWY_NOINLINE void RunTile(const uint8_t* a, int64_t a_stride, const uint8_t* panel, int64_t steps,
                          bool resume, void* sums, int64_t sums_ld) {
  constexpr int kVecs = TileShape<Ops>::Vecs(kRows);
  using D = typename Ops::D;
  using T = hn::TFromD<D>;
  for (int group = 0; group < kPanelVecs; group += kVecs) {
    typename Ops::Acc acc[kRows][kVecs];
    T* out = static_cast<T*>(sums) + group * kLanes;
    if (resume) {
      for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kVecs; ++c) acc[r][c] = hn::LoadU(D(), out + r * sums_ld + c * kLanes);
    } else {
      for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kVecs; ++c) acc[r][c] = hn::Zero(D());
    }
    AccumulateTile<Ops, kRows, kVecs>(a, a_stride, panel + group * kLanes * 4, steps, acc);
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kVecs; ++c) hn::StoreU(acc[r][c], D(), out + r * sums_ld + c * kLanes);
  }
}

// RunTile for a number of rows known only at run time, 1 .. TileShape<Ops>::kRows.
template <class Ops>
HWY_INLINE void RunTileRows(int64_t rows, const uint8_t* a, int64_t a_stride, const uint8_t* panel,
                            int64_t steps, bool resume, void* sums, int64_t sums_ld) {
  switch (rows) {
    case 1:
      return RunTile<Ops, 1>(a, a_stride, panel, steps, resume, sums, sums_ld);
    case 2:
      return RunTile<Ops, 2>(a, a_stride, panel, steps, resume, sums, sums_ld);
    case 3:
      return RunTile<Ops, 3>(a, a_stride, panel, steps, resume, sums, sums_ld);
    case 4:
      return RunTile<Ops, 4>(a, a_stride, panel, steps, resume, sums, sums_ld);
    default:
      if constexpr (TileShape<Ops>::kRows == 6) {
        if (rows == 5) return RunTile<Ops, 5>(a, a_stride, panel, steps, resume, sums, sums_ld);
        return RunTile<Ops, 6>(a, a_stride, panel, steps, resume, sums, sums_ld);
      }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_KERNELS_LINEAR_TILE_INL_H_
