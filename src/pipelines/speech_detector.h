// SpeechDetector: how probable speech is, frame by frame, through a recording.
#ifndef TESSERA_PIPELINES_SPEECH_DETECTOR_H_
#define TESSERA_PIPELINES_SPEECH_DETECTOR_H_

#include <cstdint>
#include <stop_token>
#include <vector>

#include "audio/clip.h"
#include "tessera/status.h"

namespace tessera {

class SpeechDetector {
 public:
  // Samples of a frame: 32 ms.
  static constexpr int64_t kFrameSamples = 512;

  virtual ~SpeechDetector() = default;
  virtual int64_t frame_samples() const { return kFrameSamples; }

  // The probability of speech, in [0, 1], in each frame of the samples [begin_sample, begin_sample
  // + count): ceil(count / frame_samples()) of them; a last frame that is not full is filled with
  // silence. `begin_sample` is a multiple of frame_samples(), the range lies inside the clip; else
  // invalid_argument. The result does not depend on earlier calls: a detector with memory goes on
  // where it is, or begins the recording again. Cancelled on a stop request. One thread at a time.
  virtual Result<std::vector<float>> Probabilities(const AudioClip& clip, int64_t begin_sample,
                                                   int64_t count, std::stop_token stop) = 0;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SPEECH_DETECTOR_H_
