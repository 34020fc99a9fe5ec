#include "pipelines/transcribe_loop.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera {

Result<std::vector<MelRange>> ClipRanges(const TranscribeOptions& options, int64_t content_frames) {
  std::vector<int64_t> points;
  for (const double seconds : options.clip_timestamps) {
    if (!(seconds >= 0 && seconds <= 1e9)) {
      return InvalidArgument("clip_timestamps: expected seconds from the start, found " +
                             std::to_string(seconds));
    }
    // Half to even, as Python's round().
    points.push_back(static_cast<int64_t>(std::nearbyint(seconds * kMelFramesPerSecond)));
  }
  if (points.empty()) points.push_back(0);
  if (points.size() % 2 == 1) points.push_back(content_frames);
  std::vector<MelRange> clips;
  for (size_t i = 0; i < points.size(); i += 2) {
    clips.push_back({points[i], std::min(points[i + 1], content_frames)});
  }
  return clips;
}

TranscribeLoop::TranscribeLoop(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                               const TranscribeOptions& options, int64_t content_frames)
    : tokenizer_(&tokenizer),
      window_frames_(config.num_frames()),
      max_prompt_(config.num_text_positions / 2 - 1),
      splitter_(tokenizer, config),
      options_(options),
      content_frames_(content_frames) {
  if (options.initial_prompt) {
    tokens_ = tokenizer.Encode(" " + std::string(StripWhiteSpace(*options.initial_prompt)));
  }
  num_initial_tokens_ = tokens_.size();
}

Result<TranscribeLoop> TranscribeLoop::Create(const WhisperTokenizer& tokenizer,
                                              const WhisperConfig& config,
                                              const TranscribeOptions& options,
                                              int64_t content_frames) {
  TranscribeLoop loop(tokenizer, config, options, content_frames);
  TESSERA_ASSIGN_OR_RETURN(loop.clips_, ClipRanges(options, content_frames));
  loop.seek_ = loop.clips_.front().begin;
  return loop;
}

std::optional<TranscribeWindow> TranscribeLoop::NextWindow() {
  for (; clip_ < clips_.size();
       ++clip_, seek_ = clip_ < clips_.size() ? clips_[clip_].begin : seek_) {
    if (seek_ < clips_[clip_].end) break;
  }
  if (clip_ == clips_.size()) return std::nullopt;
  window_size_ = std::min(window_frames_, clips_[clip_].end - seek_);
  return TranscribeWindow{seek_, window_size_, Prompt()};
}

std::vector<int> TranscribeLoop::Prompt() const {
  if (!options_.carry_initial_prompt) {
    return {tokens_.begin() + static_cast<std::ptrdiff_t>(prompt_reset_since_), tokens_.end()};
  }
  const auto initial = static_cast<int64_t>(num_initial_tokens_);
  const int64_t ignored = std::max(initial, static_cast<int64_t>(prompt_reset_since_));
  const auto size = static_cast<int64_t>(tokens_.size());
  // Python's tokens[ignored:][-room:], which takes everything where no room is left.
  const int64_t room = max_prompt_ - initial;
  const int64_t begin = room > 0 ? std::max(ignored, size - room) : std::min(size, ignored - room);
  std::vector<int> prompt(tokens_.begin(), tokens_.begin() + initial);
  prompt.insert(prompt.end(), tokens_.begin() + begin, tokens_.end());
  return prompt;
}

std::span<const Segment> TranscribeLoop::Accept(const DecodingResult& result) {
  TESSERA_CHECK(clip_ < clips_.size());
  if (IsSpeechless(result, options_)) {
    seek_ += window_size_;
    return {};
  }

  const size_t num_before = segments_.size();
  WindowSegments parts = splitter_.Split(seek_, window_size_, result);
  seek_ += parts.advance;
  for (Segment& segment : parts.segments) {
    segment.id = static_cast<int64_t>(segments_.size());
    tokens_.insert(tokens_.end(), segment.tokens.begin(), segment.tokens.end());
    segments_.push_back(std::move(segment));
  }
  // A text from a high temperature is not to be trusted as context.
  if (!options_.condition_on_previous_text || result.temperature > 0.5) {
    prompt_reset_since_ = tokens_.size();
  }
  return std::span(segments_).subspan(num_before);
}

int64_t TranscribeLoop::frames_done() const {
  return clip_ == clips_.size() ? content_frames_ : std::min(seek_, content_frames_);
}

Transcript TranscribeLoop::Finish() && {
  Transcript transcript;
  transcript.text = tokenizer_->Decode(std::span(tokens_).subspan(num_initial_tokens_));
  transcript.segments = std::move(segments_);
  return transcript;
}

}  // namespace tessera
