// Which SpeechDetector a transcription uses: Silero where its weights are installed, else loudness.
#ifndef TESSERA_PIPELINES_SPEECH_DETECTORS_H_
#define TESSERA_PIPELINES_SPEECH_DETECTORS_H_

#include <memory>

#include "models/silero/model.h"
#include "pipelines/speech_detector.h"
#include "providers/execution_provider.h"
#include "tessera/status.h"

namespace tessera {

// Loads the weights once, at the first use. One thread at a time.
class SpeechDetectors {
 public:
  explicit SpeechDetectors(std::shared_ptr<const ExecutionProvider> provider)
      : provider_(std::move(provider)) {}

  // A detector for one recording; detectors do not share state. Errors: an installed model that
  // cannot be loaded.
  Result<std::unique_ptr<SpeechDetector>> New();

 private:
  const std::shared_ptr<const ExecutionProvider> provider_;
  bool looked_ = false;
  std::shared_ptr<const SileroModel> silero_;  // null where not installed
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SPEECH_DETECTORS_H_
