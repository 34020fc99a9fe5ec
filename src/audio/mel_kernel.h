// The inner loops of the log-mel spectrogram: windowed 400-point real FFT, power, sparse
// filterbank, logarithm.
//
// Several frames are transformed side by side, one a vector lane, so the FFT needs no shuffles and
// a frame's bits do not depend on its neighbours. mel_kernel_simd.cc dispatches at run time to the
// widest vectors; mel_kernel_ref.cc serves builds without Highway. Both run the templates of
// mel_kernel-inl.h. Thread-safe.
#ifndef TESSERA_AUDIO_MEL_KERNEL_H_
#define TESSERA_AUDIO_MEL_KERNEL_H_

#include <cstdint>

#include "audio/log_mel.h"

namespace tessera {

// samples: f32 [(count - 1) * kHopLength + kFftLength], full scale [-1, 1); out: f32 [count,
// num_mels], mel power.
void MelPowerFrames(const float* samples, int64_t count, const MelFilters& filters, float* out);

// values[i] = (max(log10(max(values[i], 1e-10)), log_floor) + 4) / 4 for i in [0, count). Error of
// log10: 4 ulp.
void MelLogScale(float* values, int64_t count, float log_floor);

// Tables shared by all instances, computed once in double.
struct MelTables {
  // Half the periodic Hann window: the half is the 1/2 of the real-FFT recombination, exact in
  // binary.
  float half_hann[kFftLength];
  // exp(-2 pi i n / 400), n in [0, 400): real and imaginary part.
  float cosine[kFftLength];
  float minus_sine[kFftLength];
};
const MelTables& GetMelTables();

}  // namespace tessera

#endif  // TESSERA_AUDIO_MEL_KERNEL_H_
