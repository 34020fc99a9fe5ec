#include <algorithm>

#include "graph/reference/ops.h"

namespace tessera::reference {

void Conv1d(const float* x, const Conv1dSizes& sizes, const float* weight, const float* bias,
            float* y) {
  const auto& [batch, length, in, out, kernel, stride, padding] = sizes;
  const int64_t out_length = sizes.OutLength();
  for (int64_t b = 0; b < batch; ++b) {
    const float* x_b = x + b * length * in;
    for (int64_t t = 0; t < out_length; ++t) {
      const int64_t start = t * stride - padding;
      // The part of the window that lies inside; outside is zero.
      const int64_t k_begin = std::max<int64_t>(0, -start);
      const int64_t k_end = std::min(kernel, length - start);
      for (int64_t o = 0; o < out; ++o) {
        double sum = bias ? double{bias[o]} : 0.0;
        for (int64_t i = 0; i < in; ++i) {
          const float* w = weight + (o * in + i) * kernel;
          for (int64_t k = k_begin; k < k_end; ++k) {
            sum += double{x_b[(start + k) * in + i]} * double{w[k]};
          }
        }
        y[(b * out_length + t) * out + o] = static_cast<float>(sum);
      }
    }
  }
}

}  // namespace tessera::reference
