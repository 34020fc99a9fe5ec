// What Whisper's stages are tried with on a device that is not yet trusted: a recording of 2.9 s
// that is part of the library, and the words that are said in it.
//
// The recording is the end of J. F. Kennedy's inaugural address of 1961 (public domain, a work of
// the United States government): "ask what you can do for your country". Real speech, since noise
// or tones leave most of a trained encoder idle and its decoder undecided: what a device computes
// wrongly need not show there. At 8 kHz in 8-bit u-law it takes 23 KB and is understood by every
// Whisper down to tiny.
#ifndef TESSERA_MODELS_WHISPER_PROBE_H_
#define TESSERA_MODELS_WHISPER_PROBE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "audio/clip.h"
#include "models/whisper/config.h"
#include "providers/execution_provider.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

// The WAV file.
std::span<const std::byte> ProbeClipFile();
Result<AudioClip> ProbeClip();
// Its samples, full scale [-1, 1).
Result<std::vector<float>> ProbeSamples();

// The encoder's inputs: a whole window that begins with the recording.
Result<StageProbe> WhisperEncoderProbe(const WhisperConfig& config);
// The window's features, as `encoder` computes them.
Result<StageProbe> WhisperCrossKvProbe(const WhisperConfig& config, const Graph& encoder_graph,
                                       const Program& encoder);
// The prompt and the recording's words but the last, then the last as a step of its own: what
// decoding does once for each token.
Result<StageProbe> WhisperDecoderProbe(const WhisperConfig& config,
                                       const WhisperTokenizer& tokenizer);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_PROBE_H_
