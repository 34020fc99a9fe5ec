// The limit loops in plain C++: what the compiler makes of independent multiply-adds with the
// baseline instructions of the architecture. One operand of each comes from the L1 cache, so that
// no product can be taken out of the loop.
#include <array>

#include "kernels/machine_limits_loops.h"
#include "tensor/dtype.h"

namespace tessera::kernels {
namespace {

constexpr int kSums = 32;

// From here on the compiler knows nothing of what `p` points at, and must have it in memory.
template <class T>
void Opaque(T* p) {
  asm volatile("" : : "r"(p) : "memory");
}

template <class A, class W, class Sum, Sum (*WidenA)(A), Sum (*WidenW)(W)>
void MultiplyAdds(int64_t steps) {
  std::array<A, kSums> a{};
  W w{};
  std::array<Sum, kSums> sums{};
  for (int64_t s = 0; s < steps; ++s) {
    Opaque(a.data());
    Opaque(&w);
    const Sum factor = WidenW(w);
    for (int i = 0; i < kSums; ++i) sums[i] += WidenA(a[i]) * factor;
  }
  Opaque(sums.data());
}

float Same(float x) { return x; }
float FromBf16(BF16 x) { return ToF32(x); }
// Unsigned sums have the same bits and may wrap.
uint32_t FromU8(uint8_t x) { return x; }
uint32_t FromS8(int8_t x) { return static_cast<uint32_t>(static_cast<int32_t>(x)); }

void ReadAll(const uint8_t* data, size_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  std::array<uint64_t, 8> sums{};
  for (size_t i = 0; i < bytes / sizeof(uint64_t); i += sums.size()) {
    for (size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += words[i + lane];
  }
  Opaque(sums.data());
}

}  // namespace

void FillLimitsRef(LimitLoops& loops) {
  loops.f32 = {MultiplyAdds<float, float, float, Same, Same>, 2.0 * kSums};
  loops.bf16 = {MultiplyAdds<BF16, BF16, float, FromBf16, FromBf16>, 2.0 * kSums};
  loops.int8 = {MultiplyAdds<uint8_t, int8_t, uint32_t, FromU8, FromS8>, 2.0 * kSums};
  loops.read = ReadAll;
}

}  // namespace tessera::kernels
