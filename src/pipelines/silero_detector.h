// SileroDetector: Silero VAD (models/silero) as a SpeechDetector.
//
// The result is always that of one pass over the recording from its start, bit for bit, however it
// is cut into calls: the network remembers more than a minute, so no warm-up before a range would
// give the same (20 s of it still leave differences of 0.1). Going forward through a recording
// costs each frame once, and memory beside the result is small; a call that goes back, or changes
// to another recording, begins at the first frame again.
#ifndef TESSERA_PIPELINES_SILERO_DETECTOR_H_
#define TESSERA_PIPELINES_SILERO_DETECTOR_H_

#include <memory>
#include <vector>

#include "models/silero/model.h"
#include "pipelines/speech_detector.h"
#include "runtime/model_store.h"

namespace tessera {

class SileroDetector : public SpeechDetector {
 public:
  static constexpr const char* kModelName = "silero-vad";

  // The installed model; not_found, with how to install it, where there is none.
  static Result<std::unique_ptr<SileroDetector>> Create(
      std::shared_ptr<const ExecutionProvider> provider, const ModelStoreOptions& store = {});
  explicit SileroDetector(const std::shared_ptr<const SileroModel>& model);

  Result<std::vector<float>> Probabilities(const AudioClip& clip, int64_t begin_sample,
                                           int64_t count, std::stop_token stop) override;

 private:
  // Frames [begin, end) of clip_, which follow what the session has seen; samples from
  // `end_sample` on count as silence.
  Status RunFrames(int64_t begin, int64_t end, int64_t end_sample, std::span<float> probabilities,
                   std::stop_token stop);

  std::unique_ptr<SileroSession> session_;
  AudioClip clip_;     // what the session has seen:
  int64_t frame_ = 0;  // the frames before this one
  std::vector<int16_t> samples_;
  std::vector<float> floats_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SILERO_DETECTOR_H_
