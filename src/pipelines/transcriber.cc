#include <algorithm>
#include <cstdio>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/check.h"
#include "pipelines/model_impl.h"
#include "pipelines/transcribe.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

class LogMelSource : public MelSource {
 public:
  explicit LogMelSource(LogMel mel) : mel_(std::move(mel)) {}
  int num_mels() const override { return mel_.num_mels(); }
  int64_t content_frames() const override { return mel_.content_frames(); }
  Status Frames(int64_t begin, int64_t count, std::span<float> out) const override {
    return mel_.Frames(begin, count, out);
  }

 private:
  LogMel mel_;
};

// The empty transcript of a stop before the first window.
Transcript CancelledTranscript() {
  Transcript transcript;
  transcript.cancelled = true;
  return transcript;
}

}  // namespace

struct Transcriber::Impl {
  Model model;
  std::unique_ptr<WhisperSession> session;

  // A session with at least this many decoder rows.
  Status EnsureSession(int rows) {
    if (session && session->max_rows() >= rows) return OkStatus();
    session.reset();  // before the larger one is allocated
    TESSERA_ASSIGN_OR_RETURN(
        session, model.impl()->whisper->NewSession({.max_windows = 1, .max_rows = rows}));
    return OkStatus();
  }

  Result<Transcript> Run(Result<AudioClip> decoded, const TranscribeOptions& options,
                         const TranscribeCallbacks& callbacks, std::stop_token stop) {
    if (!decoded.ok()) {
      if (decoded.status().code() == StatusCode::kCancelled) return CancelledTranscript();
      return std::move(decoded).status();
    }
    const AudioClip clip = std::move(decoded).value();
    const WhisperModel& whisper = *model.impl()->whisper;
    TESSERA_RETURN_IF_ERROR(EnsureSession(NumTranscribeRows(options)));
    Result<LogMel> mel =
        LogMel::Create(clip, static_cast<int>(whisper.config().num_mels), nullptr, stop);
    if (!mel.ok()) {
      if (mel.status().code() == StatusCode::kCancelled) return CancelledTranscript();
      return std::move(mel).status();
    }
    const LogMelSource source(std::move(mel).value());
    SessionWindowDecoder decoder(*session, whisper.tokenizer());
    TESSERA_ASSIGN_OR_RETURN(Transcript transcript,
                             Transcribe(decoder, source, options, callbacks, std::move(stop)));
    transcript.duration = clip.duration_seconds();
    return transcript;
  }

  // Options are checked before a long recording is read.
  Status Validate(const TranscribeOptions& options) const {
    return ValidateTranscribeOptions(options, model.impl()->whisper->tokenizer());
  }
};

Transcriber::Transcriber(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transcriber::Transcriber(Transcriber&&) noexcept = default;
Transcriber& Transcriber::operator=(Transcriber&&) noexcept = default;
Transcriber::~Transcriber() = default;

Result<Transcriber> Transcriber::Create(const ModelOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(const Model model, Model::Load(options));
  return Create(model);
}

Result<Transcriber> Transcriber::Create(const Model& model) {
  auto impl = std::unique_ptr<Impl>(new Impl{model, nullptr});
  return Transcriber(std::move(impl));
}

Result<Transcript> Transcriber::TranscribeFile(const std::string& path,
                                               const TranscribeOptions& options,
                                               const TranscribeCallbacks& callbacks,
                                               std::stop_token stop) {
  TESSERA_RETURN_IF_ERROR(impl_->Validate(options));
  Result<AudioClip> clip = path == "-" ? DecodeStream(stdin, {}, stop) : DecodeFile(path, {}, stop);
  return impl_->Run(std::move(clip), options, callbacks, std::move(stop));
}

Result<Transcript> Transcriber::TranscribeSamples(std::span<const float> samples,
                                                  const TranscribeOptions& options,
                                                  const TranscribeCallbacks& callbacks,
                                                  std::stop_token stop) {
  TESSERA_RETURN_IF_ERROR(impl_->Validate(options));
  return impl_->Run(AudioClip::FromSamples(samples), options, callbacks, std::move(stop));
}

Result<Transcript> Transcriber::TranscribePcm(std::span<const std::byte> bytes,
                                              const PcmFormat& format,
                                              const TranscribeOptions& options,
                                              const TranscribeCallbacks& callbacks,
                                              std::stop_token stop) {
  TESSERA_RETURN_IF_ERROR(impl_->Validate(options));
  DecodeOptions decode;
  decode.raw = RawPcm{format.encoding == PcmFormat::Encoding::kF32 ? RawPcmEncoding::kF32Le
                                                                   : RawPcmEncoding::kS16Le,
                      format.sample_rate, format.channels};
  return impl_->Run(DecodeMemory(bytes, decode, stop), options, callbacks, std::move(stop));
}

}  // namespace tessera
