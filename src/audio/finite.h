// Samples that are no numbers: a file of floats may hold NaN and infinities, which no recording
// has. They are an error, not silence: a transcript of what is left would look whole.
#ifndef TESSERA_AUDIO_FINITE_H_
#define TESSERA_AUDIO_FINITE_H_

#include <cstdint>
#include <span>

#include "tessera/status.h"

namespace tessera {

// data_loss, with its time, at the first sample of any channel that is NaN or infinite. `samples`
// are interleaved; `frames_before` of the same recording were checked before.
Status CheckFinite(std::span<const float> samples, int channels, int sample_rate,
                   int64_t frames_before = 0);
Status CheckFinite(std::span<const double> samples, int channels, int sample_rate,
                   int64_t frames_before = 0);

}  // namespace tessera

#endif  // TESSERA_AUDIO_FINITE_H_
