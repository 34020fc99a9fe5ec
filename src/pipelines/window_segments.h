// From the tokens of a decoded window to its segments: openai-whisper's rules (transcribe.py
// 20250625), shared by both modes.
#ifndef TESSERA_PIPELINES_WINDOW_SEGMENTS_H_
#define TESSERA_PIPELINES_WINDOW_SEGMENTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "models/whisper/config.h"
#include "pipelines/decoding_options.h"
#include "tessera/transcribe.h"
#include "tessera/transcript.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

inline constexpr double kMelFramesPerSecond = 100;

// Whether a decode at the next temperature is due: too repetitive or too improbable, and not
// silence.
bool NeedsFallback(const DecodingResult& result, const TranscribeOptions& options);

// Whether the window counts as silence: its text is dropped.
bool IsSpeechless(const DecodingResult& result, const TranscribeOptions& options);

struct WindowSegments {
  // At least one; ids are not set. A segment without text or length is cleared.
  std::vector<Segment> segments;
  // Mel frames, 1..num_frames, that these segments account for. Fewer than the window has where an
  // unfinished segment begins: from there on the window is to be decoded again.
  int64_t advance = 0;
  // Mel frames from the window's begin to its last timestamp; -1 where it has none.
  int64_t last_timestamp = -1;
  bool unfinished_text = false;  // there was text behind `advance`, left out
};

class SegmentSplitter {
 public:
  SegmentSplitter(const WhisperTokenizer& tokenizer, const WhisperConfig& config);
  // The window of mel frames [seek, seek + num_frames) of the recording, num_frames >= 1. Const,
  // thread-safe; the tokenizer must outlive the splitter.
  WindowSegments Split(int64_t seek, int64_t num_frames, const DecodingResult& result) const;

 private:
  Segment MakeSegment(int64_t seek, double start, double end, std::span<const int> tokens,
                      const DecodingResult& result) const;

  const WhisperTokenizer* tokenizer_;
  int64_t frames_per_position_;  // mel frames of a timestamp step: 2
  double seconds_per_position_;  // 0.02
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_WINDOW_SEGMENTS_H_
