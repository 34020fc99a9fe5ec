#include "pipelines/transcribe.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "pipelines/encoder_length.h"
#include "pipelines/transcribe_loop.h"
#include "pipelines/window_options.h"

namespace tessera {
namespace {

constexpr int64_t kPaddingFrames = 3000;  // of silence behind the content

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
    TESSERA_ASSIGN_OR_RETURN(const WindowOptions window_options,
                             WindowOptions::Create(options_, tokenizer));
    language_ = window_options.language();
    TESSERA_ASSIGN_OR_RETURN(
        TranscribeLoop loop,
        TranscribeLoop::Create(tokenizer, decoder_.config(), options_, mel_.content_frames()));

    Status status = language_.empty() ? DetectLanguage(window_options) : OkStatus();
    if (status.ok()) status = DecodeWindows(loop, window_options);
    if (!status.ok() && status.code() != StatusCode::kCancelled) return status;

    Transcript transcript = std::move(loop).Finish();
    transcript.language = language_;
    transcript.language_probs = std::move(language_probs_);
    transcript.cancelled = !status.ok();
    return transcript;
  }

 private:
  Result<LanguageDetection> HearLanguage(int64_t count, int64_t positions) {
    TESSERA_RETURN_IF_ERROR(decoder_.SetWindow(mel_, 0, count, positions, stop_));
    return decoder_.DetectLanguage(stop_);
  }

  Status DetectLanguage(const WindowOptions& window_options) {
    const int64_t num_frames = decoder_.config().num_frames();
    LanguageDetection detection;
    // A short recording is encoded once, for its language and its text.
    const int64_t content = std::min(num_frames, mel_.content_frames());
    const int64_t positions = window_options.FirstPositions(decoder_.config(), content);
    if (positions > 0) {
      TESSERA_ASSIGN_OR_RETURN(detection, HearLanguage(content, positions));
    }
    if (positions == 0 || NeedsWholeWindow(detection)) {
      // openai-whisper cuts the padded recording here, so a short one is followed by silence, not
      // by the zeros that a window is filled with.
      TESSERA_ASSIGN_OR_RETURN(
          detection, HearLanguage(std::min(num_frames, mel_.content_frames() + kPaddingFrames), 0));
    }
    language_ = std::move(detection.language);
    language_probs_ = std::move(detection.probs);
    if (callbacks_.on_language) callbacks_.on_language(language_, language_probs_.front().second);
    return OkStatus();
  }

  Status DecodeWindows(TranscribeLoop& loop, const WindowOptions& window_options) {
    while (std::optional<TranscribeWindow> window = loop.NextWindow()) {
      if (stop_.stop_requested()) return Cancelled("a stop was requested");
      TESSERA_ASSIGN_OR_RETURN(const DecodingResult result, DecodeWindow(*window, window_options));
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

  Result<DecodingResult> DecodeAt(int attempt, const TranscribeWindow& window, int64_t positions,
                                  const WindowOptions& window_options) {
    TESSERA_RETURN_IF_ERROR(
        decoder_.SetWindow(mel_, window.seek, window.num_frames, positions, stop_));
    return decoder_.Decode(window_options.At(attempt, window.seek, language_, window.prompt),
                           stop_);
  }

  Result<DecodingResult> DecodeWindow(const TranscribeWindow& window,
                                      const WindowOptions& window_options) {
    DecodingResult result;
    const int64_t positions = window_options.FirstPositions(decoder_.config(), window.num_frames);
    if (positions > 0) {
      TESSERA_ASSIGN_OR_RETURN(result, DecodeAt(0, window, positions, window_options));
      if (!NeedsFallback(result, options_) &&
          !NeedsWholeWindow(result, !options_.without_timestamps, window.num_frames,
                            decoder_.tokenizer(), decoder_.config())) {
        return result;
      }
    }
    for (int attempt = 0; attempt < window_options.num_attempts(); ++attempt) {
      TESSERA_ASSIGN_OR_RETURN(result, DecodeAt(attempt, window, 0, window_options));
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
};

}  // namespace

Result<Transcript> Transcribe(WindowDecoder& decoder, const MelSource& mel,
                              const TranscribeOptions& options,
                              const TranscribeCallbacks& callbacks, std::stop_token stop) {
  return Transcription(decoder, mel, options, callbacks, std::move(stop)).Run();
}

}  // namespace tessera
