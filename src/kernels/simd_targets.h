// Which Highway targets a *_simd.cc file is compiled for. Include before hwy/foreach_target.h.
//
// On x86 the baseline (SSE2) cannot be switched off, so each file compiles to nothing there:
// TESSERA_SIMD_TARGET says whether the current target is one of ours. Fewer targets keep the build
// short; the scalar kernels serve what is older.
#ifndef TESSERA_KERNELS_SIMD_TARGETS_H_
#define TESSERA_KERNELS_SIMD_TARGETS_H_

#define HWY_DISABLED_TARGETS                                                               \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_SPR | HWY_AVX10_2 | HWY_NEON | HWY_ALL_SVE | \
   HWY_SVE2_128 | HWY_SVE_256)

#define TESSERA_SIMD_TARGET \
  (HWY_TARGET & (HWY_AVX2 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_NEON_WITHOUT_AES | HWY_NEON_BF16))

#include "hwy/detect_targets.h"

// TESSERA_FILL(isa, Fill, table): calls N_TARGET::Fill(table) for the target that serves `isa`;
// returns from the function.
#if HWY_TARGETS & HWY_AVX2
#define TESSERA_FILL_AVX2(isa, fill, table) \
  if (isa == Isa::kAvx2) return N_AVX2::fill(table), true;
#else
#define TESSERA_FILL_AVX2(isa, fill, table)
#endif
#if HWY_TARGETS & HWY_AVX3_DL
#define TESSERA_FILL_AVX3_DL(isa, fill, table) \
  if (isa == Isa::kAvx512Vnni) return N_AVX3_DL::fill(table), true;
#else
#define TESSERA_FILL_AVX3_DL(isa, fill, table)
#endif
#if HWY_TARGETS & HWY_AVX3_ZEN4
#define TESSERA_FILL_AVX3_ZEN4(isa, fill, table) \
  if (isa == Isa::kAvx512Bf16) return N_AVX3_ZEN4::fill(table), true;
#else
#define TESSERA_FILL_AVX3_ZEN4(isa, fill, table)
#endif
#if HWY_TARGETS & HWY_NEON_WITHOUT_AES
#define TESSERA_FILL_NEON(isa, fill, table) \
  if (isa == Isa::kNeon) return N_NEON_WITHOUT_AES::fill(table), true;
#else
#define TESSERA_FILL_NEON(isa, fill, table)
#endif
#if HWY_TARGETS & HWY_NEON_BF16
#define TESSERA_FILL_NEON_BF16(isa, fill, table) \
  if (isa == Isa::kNeonBf16) return N_NEON_BF16::fill(table), true;
#else
#define TESSERA_FILL_NEON_BF16(isa, fill, table)
#endif
#define TESSERA_FILL(isa, fill, table)     \
  TESSERA_FILL_AVX2(isa, fill, table)      \
  TESSERA_FILL_AVX3_DL(isa, fill, table)   \
  TESSERA_FILL_AVX3_ZEN4(isa, fill, table) \
  TESSERA_FILL_NEON(isa, fill, table)      \
  TESSERA_FILL_NEON_BF16(isa, fill, table) \
  return false

#endif  // TESSERA_KERNELS_SIMD_TARGETS_H_
