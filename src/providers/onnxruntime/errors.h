// ONNX Runtime's and its providers' errors as Status: their words and codes kept, and what they
// mean added where it is known.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_ERRORS_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_ERRORS_H_

#include <string>
#include <string_view>

#include "tessera/status.h"

namespace tessera {

enum class OrtPhase { kLoad, kRun };

// `code` is an OrtErrorCode (onnxruntime_c_api.h), `words` ONNX Runtime's message.
Status OrtError(int code, std::string_view words, OrtPhase phase);

// An explanation and remedy for a message of ONNX Runtime or a provider; "" for an unknown one.
// Matches causes that were reproduced or are named by the vendor (docs of each in errors.cc).
std::string OrtErrorHint(std::string_view words);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_ERRORS_H_
