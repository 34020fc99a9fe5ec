// How one window of audio is decoded, and what comes out: openai-whisper's DecodingOptions and
// DecodingResult.
//
// Names, defaults and meaning follow openai-whisper 20250625 (decoding.py). Text is already tokens
// here: the transcribe loop encodes prompts and prefixes once. Plain values, thread-compatible.
#ifndef TESSERA_PIPELINES_DECODING_OPTIONS_H_
#define TESSERA_PIPELINES_DECODING_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/logit_filters.h"
#include "tessera/status.h"
#include "tessera/transcribe.h"

namespace tessera {

// Upper limit of beam_size and best_of; each takes a decoder row.
inline constexpr int kMaxGroupSize = 32;

struct DecodingOptions {
  TranscribeTask task = TranscribeTask::kTranscribe;
  std::string language;    // code such as "en"; ignored by English-only models
  double temperature = 0;  // 0 takes the most probable token, above it samples
  std::optional<int>
      sample_len;  // most tokens to sample; half of the decoder's positions (224) unless set
  std::optional<int> best_of;    // independent samples, temperature > 0 only
  std::optional<int> beam_size;  // beam search, temperature 0 only; greedy unless set
  std::optional<double>
      patience;  // beam search ends at round(beam_size * patience) finished sequences
  std::optional<double> length_penalty;  // Google NMT's alpha, 0..1; plain mean unless set
  std::vector<int> prompt;               // tokens of the previous context; the last 223 are used
  std::vector<int> prefix;               // tokens that the text of this window begins with
  std::vector<int> suppress_tokens = {
      -1};  // -1 stands for the tokenizer's non-speech set; empty suppresses nothing
  bool suppress_blank = true;       // the first token is neither " " nor end-of-text
  bool without_timestamps = false;  // text tokens only
  std::optional<double> max_initial_timestamp = 1.0;  // seconds; 0 or unset: no limit
  // Where people speak in the window, in steps of 0.02 s: its text does not end before they do.
  // Empty: unknown. Without effect where there are no timestamps.
  std::vector<HearOut::Speech> speech;
  // Key of the random numbers at temperature > 0: the same options and logits give the same tokens.
  uint64_t seed = 0;
};

struct DecodingResult {
  std::string language;     // code
  std::vector<int> tokens;  // sampled tokens without end-of-text
  std::string text;         // of the tokens, without timestamps, stripped
  double avg_logprob = 0;   // sum of log-probabilities / (tokens + 1)
  double no_speech_prob = 0;
  double temperature = 0;
  double compression_ratio = 0;
};

// InvalidArgument where openai-whisper refuses the combination, or a number is out of range.
Status ValidateDecodingOptions(const DecodingOptions& options);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_DECODING_OPTIONS_H_
