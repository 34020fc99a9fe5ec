// How much of a window the encoder computes. A window of little content need not pay for the 30 s
// that the model was trained on; but with too little silence behind the content the decoder goes on
// past its end and repeats itself, so what a shortened window says is checked, and decoded again on
// the whole window where a check fails.
//
// The figures come from measurements (docs/accuracy.md, "Short windows"). Pure functions,
// thread-safe.
#ifndef TESSERA_PIPELINES_ENCODER_LENGTH_H_
#define TESSERA_PIPELINES_ENCODER_LENGTH_H_

#include <cstdint>

#include "models/whisper/config.h"
#include "pipelines/decoding_options.h"
#include "pipelines/language_detection.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

// Encoder positions for a window of `num_frames` >= 0 mel frames: its content, 5 s of silence, then
// up to the next full second. 0, the whole window, where that would save less than a quarter.
int64_t ShortEncoderPositions(const WhisperConfig& config, int64_t num_frames);

// Whether a result of a window of `num_frames` mel frames, decoded from a shortened encoding at
// temperature 0, is to be had again from the whole one: it is repetitive, improbable or perhaps
// silence, or (with_timestamps: where there are some) its text does not end with a timestamp, ends
// far behind the content or leaves a rest of the window to be decoded after it.
bool NeedsWholeWindow(const DecodingResult& result, bool with_timestamps, int64_t num_frames,
                      const WhisperTokenizer& tokenizer, const WhisperConfig& config);

// The same for a language heard in a shortened encoding.
bool NeedsWholeWindow(const LanguageDetection& detection);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_ENCODER_LENGTH_H_
