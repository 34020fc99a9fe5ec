// Which logits decide a step, and their exact values.
#ifndef TESSERA_PIPELINES_RESCORING_H_
#define TESSERA_PIPELINES_RESCORING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/whisper/session.h"

namespace tessera {

// How far below the largest a logit of the 8-bit vocabulary product may be and still be the largest
// in truth. On eleven minutes of speech the error of whisper-base's leading logits has a standard
// deviation of 0.24: this is six times that of a difference of two.
inline constexpr float kLeaderMargin = 2.0f;

// Ids whose logits are at most kLeaderMargin below the largest of [0, size); -inf is none of them.
// At most kMaxLeaders, the highest: as many are no decision. Ascending.
inline constexpr size_t kMaxLeaders = 64;
std::vector<int> Leaders(std::span<const float> logits);

// Replaces the leaders among text ids (below `timestamp_begin`) and among timestamps by their exact
// logits, unless all of the one kind together are clearly behind the other's. Without timestamp
// rules all ids are text: `timestamp_begin` is then the number of logits. `logits`: row
// `output` of the session's last Decode, forbidden ones at -inf. Does nothing where the session's
// logits are exact already.
void RescoreLeaders(const WhisperSession& session, int64_t output, size_t timestamp_begin,
                    std::span<float> logits);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_RESCORING_H_
