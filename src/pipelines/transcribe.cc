#include "pipelines/transcribe.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "pipelines/token_sampler.h"
#include "pipelines/transcribe_loop.h"
#include "text/utf8.h"
#include "text/whisper_languages.h"

namespace tessera {
namespace {

constexpr int64_t kPaddingFrames = 3000;  // of silence behind the content

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

// The code that the options ask for, "en" for English-only models; empty: to be detected.
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

class Transcription {
 public:
  Transcription(WindowDecoder& decoder, const MelSource& mel, const TranscribeOptions& options,
                const TranscribeCallbacks& callbacks, std::stop_token stop)
      : decoder_(decoder),
        mel_(mel),
        options_(options),
        callbacks_(callbacks),
        stop_(std::move(stop)) {}

  Result<Transcript> Run() {
    const WhisperTokenizer& tokenizer = decoder_.tokenizer();
    TESSERA_RETURN_IF_ERROR(ValidateTranscribeOptions(options_, tokenizer));
    TESSERA_ASSIGN_OR_RETURN(language_, RequestedLanguage(options_, tokenizer));
    if (!options_.prefix.empty()) {
      prefix_ = tokenizer.Encode(" " + std::string(StripWhiteSpace(options_.prefix)));
    }
    TESSERA_ASSIGN_OR_RETURN(
        TranscribeLoop loop,
        TranscribeLoop::Create(tokenizer, decoder_.config(), options_, mel_.content_frames()));

    Status status = language_.empty() ? DetectLanguage() : OkStatus();
    if (status.ok()) status = DecodeWindows(loop);
    if (!status.ok() && status.code() != StatusCode::kCancelled) return status;

    Transcript transcript = std::move(loop).Finish();
    transcript.language = language_;
    transcript.language_probs = std::move(language_probs_);
    transcript.cancelled = !status.ok();
    return transcript;
  }

 private:
  Status DetectLanguage() {
    // openai-whisper cuts the padded recording here, so a short one is followed by silence, not by
    // the zeros that a window is filled with.
    const int64_t count =
        std::min(decoder_.config().num_frames(), mel_.content_frames() + kPaddingFrames);
    TESSERA_RETURN_IF_ERROR(decoder_.SetWindow(mel_, 0, count, stop_));
    TESSERA_ASSIGN_OR_RETURN(LanguageDetection detection, decoder_.DetectLanguage(stop_));
    language_ = std::move(detection.language);
    language_probs_ = std::move(detection.probs);
    if (callbacks_.on_language) callbacks_.on_language(language_, language_probs_.front().second);
    return OkStatus();
  }

  Status DecodeWindows(TranscribeLoop& loop) {
    while (std::optional<TranscribeWindow> window = loop.NextWindow()) {
      if (stop_.stop_requested()) return Cancelled("a stop was requested");
      TESSERA_RETURN_IF_ERROR(decoder_.SetWindow(mel_, window->seek, window->num_frames, stop_));
      TESSERA_ASSIGN_OR_RETURN(const DecodingResult result, DecodeWithFallback(*window));
      for (const Segment& segment : loop.Accept(result)) {
        if (callbacks_.on_segment) callbacks_.on_segment(segment);
      }
      if (callbacks_.on_progress) {
        callbacks_.on_progress(static_cast<double>(loop.frames_done()) / 100,
                               static_cast<double>(loop.content_frames()) / 100);
      }
    }
    return OkStatus();
  }

  Result<DecodingResult> DecodeWithFallback(const TranscribeWindow& window) {
    DecodingResult result;
    for (size_t i = 0; i < options_.temperatures.size(); ++i) {
      DecodingOptions decoding = OptionsAt(options_, options_.temperatures[i]);
      decoding.language = language_;
      decoding.prompt = window.prompt;
      decoding.prefix = prefix_;
      // Every attempt at every window draws its own numbers, whatever was decoded before.
      decoding.seed =
          MixBits(options_.seed ^ MixBits(static_cast<uint64_t>(window.seek) * 256 + i + 1));
      TESSERA_ASSIGN_OR_RETURN(result, decoder_.Decode(decoding, stop_));
      if (!NeedsFallback(result, options_)) break;
    }
    return result;
  }

  WindowDecoder& decoder_;
  const MelSource& mel_;
  const TranscribeOptions& options_;
  const TranscribeCallbacks& callbacks_;
  const std::stop_token stop_;
  std::string language_;
  std::vector<std::pair<std::string, double>> language_probs_;
  std::vector<int> prefix_;
};

}  // namespace

int NumTranscribeRows(const TranscribeOptions& options) {
  int rows = 1;
  for (const double temperature : options.temperatures) {
    rows = std::max(rows, (temperature > 0 ? options.best_of : options.beam_size).value_or(1));
  }
  return rows;
}

Status ValidateTranscribeOptions(const TranscribeOptions& options,
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
  return RequestedLanguage(options, tokenizer).status();
}

Result<Transcript> Transcribe(WindowDecoder& decoder, const MelSource& mel,
                              const TranscribeOptions& options,
                              const TranscribeCallbacks& callbacks, std::stop_token stop) {
  return Transcription(decoder, mel, options, callbacks, std::move(stop)).Run();
}

}  // namespace tessera
