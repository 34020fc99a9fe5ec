// What a search needs of a row of logits: log p(c) = x[c] - log_sum_exp, the maximum and where it
// is.
#ifndef TESSERA_KERNELS_LOG_SOFTMAX_H_
#define TESSERA_KERNELS_LOG_SOFTMAX_H_

#include <cstdint>

namespace tessera::kernels {

struct RowStats {
  float max = 0.0f;
  float log_sum_exp = 0.0f;  // log of the sum of exp(x[c]); error <= 2^-17 + 2^-23 * |max|
  int64_t argmax = 0;        // the lowest index that holds max
};

// x[rows, cols] f32, cols >= 1; values may be -infinity (masked out). A row of only -infinity gives
// {-inf, -inf, 0}. NaN is not supported (argmax stays inside the row).
void LogSoftmaxStats(const float* x, int64_t ldx, int64_t rows, int64_t cols, RowStats* stats);

// y[r, c] = x[r, c] - stats[r].log_sum_exp; y may be x. A row of only -infinity stays -infinity.
void LogSoftmaxApply(const float* x, int64_t ldx, int64_t rows, int64_t cols, const RowStats* stats,
                     float* y, int64_t ldy);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_LOG_SOFTMAX_H_
