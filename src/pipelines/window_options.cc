#include "pipelines/window_options.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "pipelines/decode_task.h"
#include "pipelines/encoder_length.h"
#include "pipelines/token_sampler.h"
#include "text/utf8.h"
#include "text/whisper_languages.h"

namespace tessera {
namespace {

// What stays the same for every window, at one temperature: beam search belongs to 0, best-of to
// those above.
DecodingOptions OptionsAt(const TranscribeOptions& options, double temperature) {
  DecodingOptions decoding;
  decoding.task = options.task;
  decoding.temperature = temperature;
  decoding.sample_len = options.sample_len;
  if (temperature > 0) {
    decoding.best_of = options.best_of;
  } else {
    decoding.beam_size = options.beam_size;
    decoding.patience = options.patience;
  }
  decoding.length_penalty = options.length_penalty;
  decoding.suppress_tokens = options.suppress_tokens;
  decoding.suppress_blank = options.suppress_blank;
  decoding.without_timestamps = options.without_timestamps;
  decoding.max_initial_timestamp = options.max_initial_timestamp;
  return decoding;
}

Result<std::string> RequestedLanguage(const TranscribeOptions& options,
                                      const WhisperTokenizer& tokenizer) {
  if (options.language.empty()) return std::string(tokenizer.is_multilingual() ? "" : "en");
  const std::optional<std::string_view> code = WhisperLanguageCode(options.language);
  if (!code) {
    return InvalidArgument("unknown language \"" + options.language +
                           "\"; expected a code such as \"en\" or a name such as \"english\"");
  }
  if (!tokenizer.is_multilingual() && *code != "en") {
    return InvalidArgument("this model knows only English, \"" + options.language +
                           "\" was asked for; use a multilingual model");
  }
  if (tokenizer.is_multilingual() && !tokenizer.LanguageToken(*code)) {
    return InvalidArgument("this model does not know the language \"" + options.language + "\"");
  }
  return std::string(*code);
}

}  // namespace

Result<WindowOptions> WindowOptions::Create(const TranscribeOptions& options,
                                            const WhisperTokenizer& tokenizer) {
  if (options.temperatures.empty() || options.temperatures.size() > 255) {
    return InvalidArgument("temperatures: expected 1 to 255 of them, found " +
                           std::to_string(options.temperatures.size()));
  }
  for (const double temperature : options.temperatures) {
    TESSERA_RETURN_IF_ERROR(ValidateDecodingOptions(OptionsAt(options, temperature)));
  }
  if (options.patience && !options.beam_size) {
    return InvalidArgument("patience needs beam_size");
  }
  if (options.mode != TranscribeMode::kAuto && options.mode != TranscribeMode::kSequential &&
      options.mode != TranscribeMode::kBatched) {
    return InvalidArgument("mode: expected auto, sequential or batched, found number " +
                           std::to_string(static_cast<int>(options.mode)));
  }
  if (options.batch_size < 1 || options.batch_size > kMaxBatchSize) {
    return InvalidArgument("batch_size: expected 1 to " + std::to_string(kMaxBatchSize) +
                           ", found " + std::to_string(options.batch_size));
  }
  WindowOptions result;
  TESSERA_ASSIGN_OR_RETURN(result.language_, RequestedLanguage(options, tokenizer));
  result.options_ = options;
  if (!options.prefix.empty()) {
    result.prefix_ = tokenizer.Encode(" " + std::string(StripWhiteSpace(options.prefix)));
  }
  return result;
}

int WindowOptions::num_rows(int attempt) const {
  return NumDecodeRows(OptionsAt(options_, options_.temperatures[static_cast<size_t>(attempt)]));
}

int WindowOptions::max_rows() const {
  int rows = 1;
  for (int attempt = 0; attempt < num_attempts(); ++attempt) {
    rows = std::max(rows, num_rows(attempt));
  }
  return rows;
}

int64_t WindowOptions::FirstPositions(const WhisperConfig& config, int64_t num_frames) const {
  // What is sampled cannot be judged by the checks, which are about the most probable tokens.
  if (options_.exact.value_or(true) || options_.temperatures.front() != 0) return 0;
  return ShortEncoderPositions(config, num_frames);
}

DecodingOptions WindowOptions::At(int attempt, int64_t seek, const std::string& language,
                                  std::vector<int> prompt) const {
  DecodingOptions decoding =
      OptionsAt(options_, options_.temperatures[static_cast<size_t>(attempt)]);
  decoding.language = language;
  decoding.prompt = std::move(prompt);
  decoding.prefix = prefix_;
  decoding.seed = MixBits(options_.seed ^ MixBits(static_cast<uint64_t>(seek) * 256 +
                                                  static_cast<uint64_t>(attempt) + 1));
  return decoding;
}

}  // namespace tessera
