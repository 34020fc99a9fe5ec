// Which instruction set the kernels run on: found once from the CPU, or forced by
// TESSERA_FORCE_ISA.
//
// Every kernel has a scalar form (always built) and one form per vector instruction set of this
// build. A process uses one Isa at a time; all kernels switch together. Thread-safe, except SetIsa,
// which must not race with a running kernel.
#ifndef TESSERA_KERNELS_ISA_H_
#define TESSERA_KERNELS_ISA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace tessera::kernels {

// Ordered: a later one of the same architecture is at least as fast.
enum class Isa : uint8_t {
  kScalar = 0,  // plain C++
  kAvx2,        // AVX2, FMA, F16C
  kAvx512Vnni,  // AVX-512 with VNNI (Ice Lake and later)
  kAvx512Bf16,  // the same with BF16 dot products (Zen 4 and later)
  kNeon,        // Armv8 Advanced SIMD
  kNeonBf16,    // the same with DotProd and BF16 (Armv8.6)
};
inline constexpr int kNumIsas = 6;

// "scalar", "avx2", "avx512vnni", "avx512bf16", "neon", "neonbf16".
std::string_view IsaName(Isa isa);
// The inverse; also takes the aliases "avx512" (= avx512vnni) and "zen4" (= avx512bf16). Ignores
// case.
Result<Isa> ParseIsa(std::string_view name);

// What this build and this CPU can run, best last; always begins with kScalar.
std::vector<Isa> SupportedIsas();
// The one in use: the best supported, or the one named by TESSERA_FORCE_ISA. An unknown or
// unsupported name there is ignored here and reported by IsaStatus().
Isa CurrentIsa();
// Not ok when TESSERA_FORCE_ISA names something that cannot be used; the message lists what can.
Status IsaStatus();
// Switches all kernels; for tests, benchmarks and the command line. Error when not supported.
Status SetIsa(Isa isa);

// One line for people: "avx512bf16 (this CPU also runs avx512vnni, avx2, scalar)".
std::string DescribeIsa();

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_ISA_H_
