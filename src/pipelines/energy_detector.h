// EnergyDetector: speech by loudness alone, for where no Silero weights are installed.
//
// A frame's level is held against the noise floor and the peak level of the 20 s around it (10th
// and 95th percentile), so that it follows slow changes of a recording's gain and noise. Steady
// sound of any loudness is no speech, changing sound of any kind is.
#ifndef TESSERA_PIPELINES_ENERGY_DETECTOR_H_
#define TESSERA_PIPELINES_ENERGY_DETECTOR_H_

#include <vector>

#include "pipelines/speech_detector.h"

namespace tessera {

class EnergyDetector : public SpeechDetector {
 public:
  Result<std::vector<float>> Probabilities(const AudioClip& clip, int64_t begin_sample,
                                           int64_t count, std::stop_token stop) override;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_ENERGY_DETECTOR_H_
