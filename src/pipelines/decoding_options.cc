#include "pipelines/decoding_options.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "pipelines/decode_task.h"

namespace tessera {
namespace {

// The last `count` elements as Python's list[-count:] takes them: all of them for 0, and without
// the first -count for a negative count.
std::vector<int> PythonTail(const std::vector<int>& tokens, int64_t count) {
  const auto size = static_cast<int64_t>(tokens.size());
  const int64_t begin = count > 0 ? std::max<int64_t>(0, size - count) : std::min(size, -count);
  return {tokens.begin() + begin, tokens.end()};
}

Status CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return OkStatus();
  return InvalidArgument(std::string(name) + " must be between " + std::to_string(low) + " and " +
                         std::to_string(high) + ", found " + std::to_string(value));
}

}  // namespace

Status ValidateDecodingOptions(const DecodingOptions& options) {
  if (options.beam_size && options.best_of) {
    return InvalidArgument("beam_size and best_of exclude each other; set one of them");
  }
  if (options.temperature == 0 && options.best_of) {
    return InvalidArgument("best_of needs a temperature above 0");
  }
  if (options.patience && !options.beam_size) {
    return InvalidArgument("patience needs beam_size");
  }
  TESSERA_RETURN_IF_ERROR(CheckRange("temperature", options.temperature, 0, 100));
  if (options.beam_size) {
    TESSERA_RETURN_IF_ERROR(CheckRange("beam_size", *options.beam_size, 1, kMaxGroupSize));
  }
  if (options.best_of) {
    TESSERA_RETURN_IF_ERROR(CheckRange("best_of", *options.best_of, 1, kMaxGroupSize));
  }
  if (options.patience) {
    TESSERA_RETURN_IF_ERROR(CheckRange("patience", *options.patience, 0, 100));
    if (*options.patience != 0 && std::nearbyint(*options.beam_size * *options.patience) < 1) {
      return InvalidArgument("beam_size * patience rounds to 0 sequences; raise patience");
    }
  }
  if (options.length_penalty) {
    TESSERA_RETURN_IF_ERROR(CheckRange("length_penalty", *options.length_penalty, 0, 1));
  }
  if (options.sample_len) {
    TESSERA_RETURN_IF_ERROR(CheckRange("sample_len", *options.sample_len, 1, 448));
  }
  if (options.max_initial_timestamp) {
    TESSERA_RETURN_IF_ERROR(
        CheckRange("max_initial_timestamp", *options.max_initial_timestamp, 0, 30));
  }
  return OkStatus();
}

Result<std::vector<int>> MakeInitialTokens(const WhisperTokenizer& tokenizer,
                                           const WhisperConfig& config,
                                           const DecodingOptions& options) {
  const int64_t half = config.num_text_positions / 2;
  std::vector<int> tokens;
  if (!options.prompt.empty()) {
    tokens = PythonTail(options.prompt, half - 1);
    tokens.insert(tokens.begin(), tokenizer.sot_prev());
  }
  TESSERA_ASSIGN_OR_RETURN(
      const std::vector<int> sot_sequence,
      tokenizer.SotSequence(options.language,
                            options.task == TranscribeTask::kTranslate ? WhisperTask::kTranslate
                                                                       : WhisperTask::kTranscribe,
                            options.without_timestamps));
  tokens.insert(tokens.end(), sot_sequence.begin(), sot_sequence.end());
  if (!options.prefix.empty()) {
    // openai-whisper keeps the last (224 - sample_len) tokens, and by the same slice all of them at
    // the default of 224.
    const std::vector<int> prefix =
        PythonTail(options.prefix, half - options.sample_len.value_or(static_cast<int>(half)));
    tokens.insert(tokens.end(), prefix.begin(), prefix.end());
  }
  if (static_cast<int64_t>(tokens.size()) > config.num_text_positions) {
    return InvalidArgument("prompt and prefix need " + std::to_string(tokens.size()) +
                           " positions of the decoder, it has " +
                           std::to_string(config.num_text_positions) + "; shorten the prefix");
  }
  for (const int token : tokens) {
    if (token < 0 || token >= config.vocab_size) {
      return InvalidArgument("token " + std::to_string(token) +
                             " of prompt or prefix is not in the vocabulary");
    }
  }
  return tokens;
}

LogitFilters MakeLogitFilters(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                              const DecodingOptions& options) {
  LogitFilters filters;
  if (options.suppress_blank) {
    std::vector<int> blank = tokenizer.Encode(" ");
    blank.push_back(tokenizer.eot());
    filters.tokens.push_back(std::make_unique<SuppressBlank>(std::move(blank)));
  }
  if (!options.suppress_tokens.empty()) {
    std::set<int> tokens(options.suppress_tokens.begin(), options.suppress_tokens.end());
    if (tokens.contains(-1)) {
      const auto& non_speech = tokenizer.non_speech_tokens();
      tokens.insert(non_speech.begin(), non_speech.end());
    }
    tokens.insert({tokenizer.transcribe(), tokenizer.translate(), tokenizer.sot(),
                   tokenizer.sot_prev(), tokenizer.sot_lm(), tokenizer.no_speech()});
    filters.tokens.push_back(
        std::make_unique<SuppressTokens>(std::vector<int>(tokens.begin(), tokens.end())));
  }
  if (!options.without_timestamps) {
    const double precision = 30.0 / static_cast<double>(config.num_audio_positions);  // seconds
    std::optional<int> max_initial_index;
    if (options.max_initial_timestamp.value_or(0) != 0) {
      max_initial_index =
          static_cast<int>(std::nearbyint(*options.max_initial_timestamp / precision));
    }
    if (!options.speech.empty()) {
      filters.tokens.push_back(
          std::make_unique<HearOut>(tokenizer.eot(), tokenizer.timestamp_begin(), options.speech));
    }
    filters.timestamps.emplace(TimestampRules::Ids{tokenizer.eot(), tokenizer.no_timestamps(),
                                                   tokenizer.timestamp_begin()},
                               max_initial_index);
  }
  return filters;
}

}  // namespace tessera
