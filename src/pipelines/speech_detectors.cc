#include "pipelines/speech_detectors.h"

#include "base/check.h"
#include "pipelines/energy_detector.h"
#include "pipelines/silero_detector.h"
#include "runtime/model_store.h"

namespace tessera {

Result<std::unique_ptr<SpeechDetector>> SpeechDetectors::New() {
  if (!looked_) {
    const Result<std::string> path = ModelPath(SileroDetector::kModelName);
    if (path.ok()) {
      TESSERA_ASSIGN_OR_RETURN(silero_, SileroModel::Load(*path, provider_));
    } else if (path.status().code() != StatusCode::kNotFound) {
      return path.status();
    }
    looked_ = true;
  }
  if (silero_) return std::unique_ptr<SpeechDetector>(std::make_unique<SileroDetector>(silero_));
  return std::unique_ptr<SpeechDetector>(std::make_unique<EnergyDetector>());
}

}  // namespace tessera
