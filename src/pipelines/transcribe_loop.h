// TranscribeLoop: the walk of openai-whisper's transcribe() through a recording, without a model:
// which window comes next, with which prompt, and what segments a decoded window gives. A state
// machine, so that several recordings can share a model.
//
//   while (auto window = loop.NextWindow()) loop.Accept(decode(*window));
//
// Source: whisper/transcribe.py 20250625, its oddities included; two deviations, where the original
// does not end: clips are cut to the recording, and a window that would not advance (possible
// without timestamp rules only) advances by its size. Thread-compatible; the tokenizer must outlive
// the loop.
#ifndef TESSERA_PIPELINES_TRANSCRIBE_LOOP_H_
#define TESSERA_PIPELINES_TRANSCRIBE_LOOP_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/whisper/config.h"
#include "pipelines/decoding_options.h"
#include "pipelines/window_segments.h"
#include "tessera/transcribe.h"
#include "tessera/transcript.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

// Mel frames [begin, end); nothing where end <= begin.
struct MelRange {
  int64_t begin = 0;
  int64_t end = 0;

  bool operator==(const MelRange&) const = default;
};

// The parts of a recording that options.clip_timestamps choose, cut to its end; at least one.
// invalid_argument for times that are negative or not finite.
Result<std::vector<MelRange>> ClipRanges(const TranscribeOptions& options, int64_t content_frames);

struct TranscribeWindow {
  int64_t seek = 0;         // first mel frame
  int64_t num_frames = 0;   // 1..3000
  std::vector<int> prompt;  // tokens; the decoder takes the last 223
};

class TranscribeLoop {
 public:
  // `content_frames`: length of the recording. invalid_argument for clip_timestamps that are
  // negative or not finite.
  static Result<TranscribeLoop> Create(const WhisperTokenizer& tokenizer,
                                       const WhisperConfig& config,
                                       const TranscribeOptions& options, int64_t content_frames);

  // The next window to decode; nothing at the end. Call Accept before the next call.
  std::optional<TranscribeWindow> NextWindow();
  // The result of that window. Returns the segments that it added; they are final.
  std::span<const Segment> Accept(const DecodingResult& result);

  // Frames behind us, in [0, content_frames()].
  int64_t frames_done() const;
  int64_t content_frames() const { return content_frames_; }
  // Text and segments so far.
  Transcript Finish() &&;

 private:
  TranscribeLoop(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                 const TranscribeOptions& options, int64_t content_frames);
  std::vector<int> Prompt() const;

  const WhisperTokenizer* tokenizer_;
  int64_t window_frames_;
  int64_t max_prompt_;  // prompt tokens that fit: 223
  SegmentSplitter splitter_;
  TranscribeOptions options_;
  int64_t content_frames_;
  std::vector<MelRange> clips_;

  size_t clip_ = 0;
  int64_t seek_ = 0;
  int64_t window_size_ = 0;  // of the window that Accept is about
  std::vector<int> tokens_;  // initial prompt, then those of all segments
  size_t num_initial_tokens_ = 0;
  size_t prompt_reset_since_ = 0;
  std::vector<Segment> segments_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TRANSCRIBE_LOOP_H_
