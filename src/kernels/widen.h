// Floats of any type as f32.
#ifndef TESSERA_KERNELS_WIDEN_H_
#define TESSERA_KERNELS_WIDEN_H_

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::kernels {

// out[i] = element first + i of an array in kF32, kF16 or kBF16, for `count` elements. The array
// need not be aligned: weights in a mapped file often are not. Exact.
void WidenFloats(const void* data, DType dtype, int64_t first, int64_t count, float* out);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_WIDEN_H_
