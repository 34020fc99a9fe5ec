// Silero VAD as two graphs; MODEL.md beside this file draws them.
//
//   features    samples[chunks, 640, 1] -> features[chunks, 1, 128]
//   recurrent   features[chunks, 1, 128], state[2, 1, 128] -> states[chunks + 1, 1, 128],
//               probability[chunks, 1, 1]
//
// Chunks are independent of each other in the first stage, so any number of them is one batch; the
// second goes through them in order. `state` is zero at the start of a signal; the last two rows of
// `states` continue it.
#ifndef TESSERA_MODELS_SILERO_STAGES_H_
#define TESSERA_MODELS_SILERO_STAGES_H_

#include "graph/graph.h"
#include "models/silero/weights.h"

namespace tessera {

Result<Graph> BuildSileroFeatures(const SileroWeights& weights);
Result<Graph> BuildSileroRecurrent(const SileroWeights& weights);

}  // namespace tessera

#endif  // TESSERA_MODELS_SILERO_STAGES_H_
