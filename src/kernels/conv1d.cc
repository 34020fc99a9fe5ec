#include "kernels/conv1d.h"

#include <algorithm>
#include <cstring>

namespace tessera::kernels {

Result<Tensor> RepackConv1dWeight(const View& weight) {
  if (weight.shape.size() != 3) {
    return InvalidArgument("expected a Conv1d weight of shape [out, in, kernel], found " +
                           ShapeToString(weight.shape));
  }
  TESSERA_ASSIGN_OR_RETURN(const Tensor source, ToF32Tensor(weight));
  const int64_t out = weight.shape[0], in = weight.shape[1], kernel = weight.shape[2];
  Tensor packed(DType::kF32, {out, kernel * in});
  const float* from = source.As<float>();
  float* to = packed.As<float>();
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t j = 0; j < kernel; ++j) {
        to[(o * kernel + j) * in + i] = from[(o * in + i) * kernel + j];
      }
    }
  }
  return packed;
}

void Im2ColRows(const Im2ColArgs& a, int64_t first, int64_t rows, float* out, int64_t out_ld) {
  const size_t frame_bytes = static_cast<size_t>(a.channels) * sizeof(float);
  const bool contiguous = a.input_ld == a.channels;
  for (int64_t r = 0; r < rows; ++r, out += out_ld) {
    const int64_t begin = (first + r) * a.stride - a.padding;
    // The frames of the window that lie inside; the others are zero.
    const int64_t inside = std::clamp<int64_t>(-begin, 0, a.kernel);
    const int64_t outside = std::clamp<int64_t>(a.length - begin, inside, a.kernel);
    std::fill(out, out + inside * a.channels, 0.0f);
    if (contiguous) {
      std::memcpy(out + inside * a.channels, a.input + (begin + inside) * a.channels,
                  static_cast<size_t>(outside - inside) * frame_bytes);
    } else {
      for (int64_t j = inside; j < outside; ++j) {
        std::memcpy(out + j * a.channels, a.input + (begin + j) * a.input_ld, frame_bytes);
      }
    }
    std::fill(out + outside * a.channels, out + a.kernel * a.channels, 0.0f);
  }
}

}  // namespace tessera::kernels
