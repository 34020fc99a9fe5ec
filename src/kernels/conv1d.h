// Conv1d over a channels-last signal as a Linear: what of its input must be gathered.
//
// With the weight as PackLinear packs one of [out, in, kernel], output frame t is the Linear of the
// window that starts at input frame t * stride - padding. Where frames follow each other without a
// gap, a window inside the signal is contiguous and the next one starts stride * channels later:
// rows that overlap, with nothing to gather. Im2ColRows is for windows that reach over an end.
#ifndef TESSERA_KERNELS_CONV1D_H_
#define TESSERA_KERNELS_CONV1D_H_

#include <cstdint>

namespace tessera::kernels {

// (length + 2 * padding - kernel) / stride + 1, or 0 when the kernel does not fit.
constexpr int64_t Conv1dOutputLength(int64_t length, int64_t kernel, int64_t stride,
                                     int64_t padding) {
  return length + 2 * padding < kernel ? 0 : (length + 2 * padding - kernel) / stride + 1;
}

struct Im2ColArgs {
  const float* input = nullptr;  // [length, channels]
  int64_t input_ld = 0;
  int64_t length = 0;
  int64_t channels = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
};
// Rows [first, first + rows) of the window matrix: out[r, j * channels + c] = input[(first + r) *
// stride - padding + j, c], zero outside the signal. out_ld >= kernel * channels.
void Im2ColRows(const Im2ColArgs& args, int64_t first, int64_t rows, float* out, int64_t out_ld);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_CONV1D_H_
