// From OpenVINO's errors to a Status that keeps the vendor's words and says what helps.
//
// Thread-safe.
#ifndef TESSERA_PROVIDERS_OPENVINO_ERRORS_H_
#define TESSERA_PROVIDERS_OPENVINO_ERRORS_H_

#include <string>
#include <string_view>

#include "providers/openvino/c_api.h"
#include "tessera/status.h"

namespace tessera::openvino {

// The words without the lines that only name OpenVINO's own source files; on one line.
std::string CleanMessage(std::string_view words);

// What is known about an error by its words.
struct KnownError {
  std::string_view words;  // part of the message that tells it
  StatusCode code;
  std::string_view hint;  // a sentence
};
// Null when the words are not known.
const KnownError* FindKnownError(std::string_view words);

// For a call that just failed with `status` on this thread: "WHAT: WORDS (GENERAL_ERROR, -1).
// HINT". `otherwise`: the code when neither the words nor the status tell more. Where another
// thread's call fails at the same time, the library may hand out that one's words.
Status VendorError(const OpenVinoApi& api, OvStatus status, std::string_view what,
                   StatusCode otherwise);

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_ERRORS_H_
