#include "pipelines/transcribe_loop.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera {
namespace {

constexpr double kHopLength = 160;  // samples a mel frame
constexpr double kSampleRate = 16000;
constexpr double kFramesPerSecond = 100;

double FramesToSeconds(int64_t frames) {
  return static_cast<double>(frames) * kHopLength / kSampleRate;
}

}  // namespace

bool NeedsFallback(const DecodingResult& result, const TranscribeOptions& options) {
  const bool improbable =
      options.logprob_threshold && result.avg_logprob < *options.logprob_threshold;
  const bool repetitive = options.compression_ratio_threshold &&
                          result.compression_ratio > *options.compression_ratio_threshold;
  const bool silent = options.no_speech_threshold &&
                      result.no_speech_prob > *options.no_speech_threshold && improbable;
  return (repetitive || improbable) && !silent;
}

TranscribeLoop::TranscribeLoop(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                               const TranscribeOptions& options, int64_t content_frames)
    : tokenizer_(&tokenizer),
      window_frames_(config.num_frames()),
      max_prompt_(config.num_text_positions / 2 - 1),
      frames_per_position_(config.num_frames() / config.num_audio_positions),
      seconds_per_position_(FramesToSeconds(frames_per_position_)),
      condition_on_previous_text_(options.condition_on_previous_text),
      carry_initial_prompt_(options.carry_initial_prompt),
      no_speech_threshold_(options.no_speech_threshold),
      logprob_threshold_(options.logprob_threshold),
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
  std::vector<int64_t> points;
  for (const double seconds : options.clip_timestamps) {
    if (!(seconds >= 0 && seconds <= 1e9)) {
      return InvalidArgument("clip_timestamps: expected seconds from the start, found " +
                             std::to_string(seconds));
    }
    // Half to even, as Python's round().
    points.push_back(static_cast<int64_t>(std::nearbyint(seconds * kFramesPerSecond)));
  }
  if (points.empty()) points.push_back(0);
  if (points.size() % 2 == 1) points.push_back(content_frames);
  for (size_t i = 0; i < points.size(); i += 2) {
    loop.clips_.push_back({points[i], std::min(points[i + 1], content_frames)});
  }
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
  if (!carry_initial_prompt_) {
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

Segment TranscribeLoop::MakeSegment(double start, double end, std::span<const int> tokens,
                                    const DecodingResult& result) const {
  Segment segment;
  segment.seek = seek_;
  segment.start = start;
  segment.end = end;
  segment.tokens.assign(tokens.begin(), tokens.end());
  std::vector<int> text_tokens;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(text_tokens),
               [this](int token) { return token < tokenizer_->eot(); });
  segment.text = tokenizer_->Decode(text_tokens);
  segment.temperature = result.temperature;
  segment.avg_logprob = result.avg_logprob;
  segment.compression_ratio = result.compression_ratio;
  segment.no_speech_prob = result.no_speech_prob;
  return segment;
}

std::vector<Segment> TranscribeLoop::Split(const DecodingResult& result) {
  const std::span<const int> tokens = result.tokens;
  const int timestamp_begin = tokenizer_->timestamp_begin();
  const auto is_timestamp = [timestamp_begin](int token) { return token >= timestamp_begin; };
  const double offset = FramesToSeconds(seek_);
  const bool single_ending =
      tokens.size() >= 2 && !is_timestamp(tokens[tokens.size() - 2]) && is_timestamp(tokens.back());

  std::vector<size_t> slice_ends;  // a segment ends between two timestamps that follow each other
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (is_timestamp(tokens[i - 1]) && is_timestamp(tokens[i])) slice_ends.push_back(i);
  }

  std::vector<Segment> segments;
  if (slice_ends.empty()) {
    // No pair: the window is one segment, to its last timestamp if that says anything.
    double duration = FramesToSeconds(window_size_);
    const auto last = std::find_if(tokens.rbegin(), tokens.rend(), is_timestamp);
    if (last != tokens.rend() && *last != timestamp_begin) {
      duration = (*last - timestamp_begin) * seconds_per_position_;
    }
    segments.push_back(MakeSegment(offset, offset + duration, tokens, result));
    seek_ += window_size_;
    return segments;
  }

  // A single timestamp at the end: no speech after it.
  if (single_ending) slice_ends.push_back(tokens.size());
  size_t begin = 0;
  for (const size_t end : slice_ends) {
    const std::span<const int> slice = tokens.subspan(begin, end - begin);
    const int start_position = slice.front() - timestamp_begin;
    const int end_position = slice.back() - timestamp_begin;
    segments.push_back(MakeSegment(offset + start_position * seconds_per_position_,
                                   offset + end_position * seconds_per_position_, slice, result));
    begin = end;
  }
  if (single_ending) {
    seek_ += window_size_;
  } else {
    // The tokens after the last pair are an unfinished segment: it is decoded again from its start.
    const int64_t advance = (tokens[begin - 1] - timestamp_begin) * frames_per_position_;
    seek_ += advance > 0 ? advance : window_size_;
  }
  return segments;
}

std::span<const Segment> TranscribeLoop::Accept(const DecodingResult& result) {
  TESSERA_CHECK(clip_ < clips_.size());
  const bool speechless = no_speech_threshold_ && result.no_speech_prob > *no_speech_threshold_ &&
                          !(logprob_threshold_ && result.avg_logprob > *logprob_threshold_);
  if (speechless) {
    seek_ += window_size_;
    return {};
  }

  const size_t num_before = segments_.size();
  for (Segment& segment : Split(result)) {
    if (segment.start == segment.end || StripWhiteSpace(segment.text).empty()) {
      segment.text.clear();
      segment.tokens.clear();
      segment.has_words = true;  // openai-whisper gives cleared segments an empty list of words
    }
    segment.id = static_cast<int64_t>(segments_.size());
    tokens_.insert(tokens_.end(), segment.tokens.begin(), segment.tokens.end());
    segments_.push_back(std::move(segment));
  }
  // A text from a high temperature is not to be trusted as context.
  if (!condition_on_previous_text_ || result.temperature > 0.5) {
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
