// Rows of a table (embeddings), and the element-wise sum.
#ifndef TESSERA_KERNELS_GATHER_H_
#define TESSERA_KERNELS_GATHER_H_

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::kernels {

// out[i, :] = table[ids[i], :] as f32, for `count` ids; table [table_rows, d] in kF32, kF16 or
// kBF16, table_ld elements between rows. Ids outside [0, table_rows) are a programmer error
// (checked): validate ids from outside before.
void GatherRows(const void* table, DType dtype, int64_t table_rows, int64_t table_ld, int64_t d,
                const int32_t* ids, int64_t count, float* out, int64_t out_ld);

// out[i] = a[i] + b[i]; out may be a or b.
void Add(const float* a, const float* b, int64_t count, float* out);
// out[r, c] = a[r, c] + b[c]; out may be a (same ld).
void AddRowVector(const float* a, int64_t lda, const float* b, int64_t rows, int64_t cols,
                  float* out, int64_t ldo);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_GATHER_H_
