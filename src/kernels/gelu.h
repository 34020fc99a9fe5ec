// gelu(x) = x * Phi(x) = x / 2 * (1 + erf(x / sqrt(2))), the exact form (not the tanh one).
//
// Error: |result - exact| <= 4 * 2^-24 * |x| for every finite x. +-infinity give infinity and -0,
// NaN gives NaN. The same function is fused into LinearRows.
#ifndef TESSERA_KERNELS_GELU_H_
#define TESSERA_KERNELS_GELU_H_

#include <cstdint>

namespace tessera::kernels {

// y[i] = gelu(x[i]) for count values; y may be x.
void Gelu(const float* x, int64_t count, float* y);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_GELU_H_
