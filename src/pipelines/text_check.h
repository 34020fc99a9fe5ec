// The last check of a speech model on a device that is not yet trusted: the text of the built-in
// recording (models/whisper/probe.h) against the text that our own kernels write in f32.
#ifndef TESSERA_PIPELINES_TEXT_CHECK_H_
#define TESSERA_PIPELINES_TEXT_CHECK_H_

#include <string>

#include "tessera/engine.h"
#include "tessera/status.h"

namespace tessera {

// Empty when both are the same: words, not punctuation and capitals, which a rounding may change
// where two tokens are about equally probable. Loads the model once more. Errors are those of
// loading and transcribing on the CPU; one of the device is a difference.
Result<std::string> TextDifference(const Model& model);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TEXT_CHECK_H_
