#include "pipelines/window_segments.h"

#include <algorithm>
#include <iterator>

#include "text/utf8.h"

namespace tessera {
namespace {

constexpr double kHopLength = 160;  // samples a mel frame
constexpr double kSampleRate = 16000;

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

bool IsSpeechless(const DecodingResult& result, const TranscribeOptions& options) {
  return options.no_speech_threshold && result.no_speech_prob > *options.no_speech_threshold &&
         !(options.logprob_threshold && result.avg_logprob > *options.logprob_threshold);
}

SegmentSplitter::SegmentSplitter(const WhisperTokenizer& tokenizer, const WhisperConfig& config)
    : tokenizer_(&tokenizer),
      frames_per_position_(config.num_frames() / config.num_audio_positions),
      seconds_per_position_(FramesToSeconds(frames_per_position_)) {}

Segment SegmentSplitter::MakeSegment(int64_t seek, double start, double end,
                                     std::span<const int> tokens,
                                     const DecodingResult& result) const {
  Segment segment;
  segment.seek = seek;
  segment.start = start;
  segment.end = end;
  std::vector<int> text_tokens;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(text_tokens),
               [this](int token) { return token < tokenizer_->eot(); });
  segment.text = tokenizer_->Decode(text_tokens);
  segment.temperature = result.temperature;
  segment.avg_logprob = result.avg_logprob;
  segment.compression_ratio = result.compression_ratio;
  segment.no_speech_prob = result.no_speech_prob;
  if (start == end || StripWhiteSpace(segment.text).empty()) {
    segment.text.clear();
    segment.has_words = true;  // openai-whisper gives cleared segments an empty list of words
  } else {
    segment.tokens.assign(tokens.begin(), tokens.end());
  }
  return segment;
}

WindowSegments SegmentSplitter::Split(int64_t seek, int64_t num_frames,
                                      const DecodingResult& result) const {
  const std::span<const int> tokens = result.tokens;
  const int timestamp_begin = tokenizer_->timestamp_begin();
  const auto is_timestamp = [timestamp_begin](int token) { return token >= timestamp_begin; };
  const double offset = FramesToSeconds(seek);
  const bool single_ending =
      tokens.size() >= 2 && !is_timestamp(tokens[tokens.size() - 2]) && is_timestamp(tokens.back());

  WindowSegments parts;
  parts.advance = num_frames;
  const auto last = std::find_if(tokens.rbegin(), tokens.rend(), is_timestamp);
  if (last != tokens.rend()) {
    parts.last_timestamp = (*last - timestamp_begin) * frames_per_position_;
  }

  std::vector<size_t> slice_ends;  // a segment ends between two timestamps that follow each other
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (is_timestamp(tokens[i - 1]) && is_timestamp(tokens[i])) slice_ends.push_back(i);
  }
  if (slice_ends.empty()) {
    // No pair: the window is one segment, to its last timestamp if that says anything.
    double duration = FramesToSeconds(num_frames);
    if (last != tokens.rend() && *last != timestamp_begin) {
      duration = (*last - timestamp_begin) * seconds_per_position_;
    }
    parts.segments.push_back(MakeSegment(seek, offset, offset + duration, tokens, result));
    return parts;
  }

  // A single timestamp at the end: no speech after it.
  if (single_ending) slice_ends.push_back(tokens.size());
  size_t begin = 0;
  for (const size_t end : slice_ends) {
    const std::span<const int> slice = tokens.subspan(begin, end - begin);
    const int start_position = slice.front() - timestamp_begin;
    const int end_position = slice.back() - timestamp_begin;
    parts.segments.push_back(MakeSegment(seek, offset + start_position * seconds_per_position_,
                                         offset + end_position * seconds_per_position_, slice,
                                         result));
    begin = end;
  }
  if (!single_ending) {
    // The tokens after the last pair are an unfinished segment: it is decoded again from its start.
    // A window that would not advance (possible without timestamp rules only) is left behind.
    const int64_t advance = (tokens[begin - 1] - timestamp_begin) * frames_per_position_;
    if (advance > 0) parts.advance = advance;
    parts.unfinished_text =
        std::any_of(tokens.begin() + static_cast<std::ptrdiff_t>(begin), tokens.end(),
                    [this](int token) { return token < tokenizer_->eot(); });
  }
  return parts;
}

}  // namespace tessera
