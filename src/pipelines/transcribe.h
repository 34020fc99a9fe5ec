// Transcribe: a whole recording through a WindowDecoder, as openai-whisper's transcribe().
#ifndef TESSERA_PIPELINES_TRANSCRIBE_H_
#define TESSERA_PIPELINES_TRANSCRIBE_H_

#include <stop_token>

#include "pipelines/window_decoder.h"
#include "tessera/transcribe.h"
#include "tessera/transcript.h"

namespace tessera {

// Detects the language where none is given (on the first 30 s, silence behind a shorter recording
// included), then decodes window after window with temperature fallback. Callbacks run on the
// calling thread. A stop request gives the segments so far with `cancelled` set. Errors:
// invalid_argument for the options (before any work), or what mel and decoder give.
Result<Transcript> Transcribe(WindowDecoder& decoder, const MelSource& mel,
                              const TranscribeOptions& options,
                              const TranscribeCallbacks& callbacks, std::stop_token stop);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TRANSCRIBE_H_
