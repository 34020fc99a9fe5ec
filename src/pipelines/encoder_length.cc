#include "pipelines/encoder_length.h"

#include <span>
#include <vector>

#include "base/check.h"

namespace tessera {
namespace {

// In encoder positions, of which there are 50 a second.
constexpr int64_t kMinSilence = 250;
constexpr int64_t kBucket = 50;
// A last timestamp may lie this far behind the content, as it does with whole windows.
constexpr int64_t kMaxOverhang = 50;

// Stricter than the thresholds of the temperature fallback: they sort out what is wrong, these what
// the missing silence may have changed.
constexpr double kMaxCompressionRatio = 2.4;
constexpr double kMinLogProb = -0.6;
// Few tokens: the doubt about the first one weighs more, with whole windows too.
constexpr int64_t kBrief = 150;
constexpr double kMinLogProbIfBrief = -0.8;
constexpr double kMaxNoSpeechProb = 0.6;
constexpr double kMinLanguageProb = 0.8;
// A phrase of so many tokens, said again at once.
constexpr size_t kRepeatedTokens = 4;

int64_t ContentPositions(const WhisperConfig& config, int64_t num_frames) {
  const int64_t frames_per_position = config.num_frames() / config.num_audio_positions;
  return (num_frames + frames_per_position - 1) / frames_per_position;
}

// Whether a phrase follows itself, with or without timestamps in between: a loop of two or three
// rounds, which the compression ratio of a whole text does not show.
bool RepeatsItself(std::span<const int> tokens, int timestamp_begin) {
  std::vector<int> text;
  for (const int token : tokens)
    if (token < timestamp_begin) text.push_back(token);
  for (size_t period = kRepeatedTokens; period * 2 <= text.size(); ++period) {
    size_t equal = 0;
    for (size_t i = 0; i + period < text.size(); ++i) {
      equal = text[i] == text[i + period] ? equal + 1 : 0;
      if (equal >= period) return true;
    }
  }
  return false;
}

}  // namespace

int64_t ShortEncoderPositions(const WhisperConfig& config, int64_t num_frames) {
  TESSERA_CHECK(num_frames >= 0 && num_frames <= config.num_frames());
  const int64_t needed = ContentPositions(config, num_frames) + kMinSilence;
  const int64_t positions = (needed + kBucket - 1) / kBucket * kBucket;
  return positions * 4 <= config.num_audio_positions * 3 ? positions : 0;
}

bool NeedsWholeWindow(const DecodingResult& result, bool with_timestamps, int64_t num_frames,
                      const WhisperTokenizer& tokenizer, const WhisperConfig& config) {
  const int64_t content = ContentPositions(config, num_frames);
  const double min_log_prob = content < kBrief ? kMinLogProbIfBrief : kMinLogProb;
  if (result.compression_ratio > kMaxCompressionRatio || result.avg_logprob < min_log_prob ||
      result.no_speech_prob > kMaxNoSpeechProb) {
    return true;
  }
  const std::span<const int> tokens = result.tokens;
  const int timestamp_begin = tokenizer.timestamp_begin();
  if (RepeatsItself(tokens, timestamp_begin)) return true;
  if (!with_timestamps) return false;
  if (tokens.size() < 2 || tokens.back() < timestamp_begin) return true;
  if (tokens[tokens.size() - 2] >= timestamp_begin) return true;
  const int64_t end = tokens.back() - timestamp_begin;
  return end > content + kMaxOverhang;
}

bool NeedsWholeWindow(const LanguageDetection& detection) {
  return detection.probs.front().second < kMinLanguageProb;
}

}  // namespace tessera
