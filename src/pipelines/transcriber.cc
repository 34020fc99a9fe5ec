#include <algorithm>
#include <cstdio>
#include <functional>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/check.h"
#include "pipelines/batch_transcription.h"
#include "pipelines/log_mel_source.h"
#include "pipelines/model_impl.h"
#include "pipelines/speech_detectors.h"
#include "pipelines/transcribe.h"
#include "pipelines/window_options.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

// kAuto is batched where there are several windows to decode at a time.
bool AutoIsBatched(const AudioClip& clip) {
  return clip.num_samples() > int64_t{kWindowFrames} * kHopLength;
}

DecodeOptions ForRaw(const PcmFormat& format) {
  DecodeOptions decode;
  decode.raw = RawPcm{format.encoding == PcmFormat::Encoding::kF32 ? RawPcmEncoding::kF32Le
                                                                   : RawPcmEncoding::kS16Le,
                      format.sample_rate, format.channels};
  return decode;
}

// A path, or "-" for standard input.
Result<AudioClip> OpenFile(const std::string& path, const DecodeOptions& decode,
                           std::stop_token stop) {
  return path == "-" ? DecodeStream(stdin, decode, std::move(stop))
                     : DecodeFile(path, decode, std::move(stop));
}

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
  std::optional<SpeechDetectors> detectors;

  const WhisperModel& whisper() const { return *model.impl()->whisper; }

  // A session with at least these; a batch fills all places that there are.
  Status EnsureSession(const WhisperSessionOptions& wanted, bool batched) {
    const bool enough = session && session->max_rows() >= wanted.max_rows;
    if (enough && (!batched || (session->max_windows() == wanted.max_windows &&
                                session->num_encoders() == wanted.num_encoders))) {
      return OkStatus();
    }
    session.reset();  // before the larger one is allocated
    TESSERA_ASSIGN_OR_RETURN(session, whisper().NewSession(wanted));
    return OkStatus();
  }

  // The options as this model takes them.
  Result<WindowOptions> Check(TranscribeOptions options) const {
    if (!options.exact) options.exact = model.precision() == Precision::kF32;
    // A shorter window would be computed whole, and perhaps once more.
    if (model.impl()->provider->fixed_shapes()) options.exact = true;
    return WindowOptions::Create(options, whisper().tokenizer());
  }

  Result<LogMel> MakeMel(const AudioClip& clip, std::stop_token stop) const {
    return LogMel::Create(clip, static_cast<int>(whisper().config().num_mels), nullptr,
                          std::move(stop));
  }

  Status RunBatch(int count, const std::function<Result<AudioClip>(int index)>& open,
                  const WindowOptions& options, const BatchCallbacks& callbacks,
                  std::stop_token stop) {
    TESSERA_RETURN_IF_ERROR(
        EnsureSession(BatchScheduler::SessionOptions(options, options.options().batch_size,
                                                     model.impl()->provider->num_threads()),
                      /*batched=*/true));
    if (!detectors) detectors.emplace(model.impl()->provider->cpu());
    BatchInput input;
    input.count = count;
    input.open = [&](int index) -> Result<BatchRecording> {
      BatchRecording recording;
      TESSERA_ASSIGN_OR_RETURN(recording.clip, open(index));
      TESSERA_ASSIGN_OR_RETURN(LogMel mel, MakeMel(recording.clip, stop));
      TESSERA_ASSIGN_OR_RETURN(recording.detector, detectors->New());
      recording.mel = std::make_unique<LogMelSource>(std::move(mel));
      return recording;
    };
    BatchTranscription batch(whisper().tokenizer(), session->config(), options, std::move(input),
                             callbacks, stop);
    return batch.Run(*session);
  }

  Result<Transcript> RunSequential(Result<AudioClip> decoded, const WindowOptions& options,
                                   const TranscribeCallbacks& callbacks, std::stop_token stop) {
    if (!decoded.ok()) {
      if (decoded.status().code() == StatusCode::kCancelled) return CancelledTranscript();
      return std::move(decoded).status();
    }
    const AudioClip clip = std::move(decoded).value();
    TESSERA_RETURN_IF_ERROR(
        EnsureSession({.max_windows = 1, .max_rows = options.max_rows()}, /*batched=*/false));
    Result<LogMel> mel = MakeMel(clip, stop);
    if (!mel.ok()) {
      if (mel.status().code() == StatusCode::kCancelled) return CancelledTranscript();
      return std::move(mel).status();
    }
    const LogMelSource source(std::move(mel).value());
    SessionWindowDecoder decoder(*session, whisper().tokenizer());
    TESSERA_ASSIGN_OR_RETURN(Transcript transcript, Transcribe(decoder, source, options.options(),
                                                               callbacks, std::move(stop)));
    transcript.duration = clip.duration_seconds();
    return transcript;
  }

  // One recording, in the mode that the options ask for. They are checked before it is opened.
  Result<Transcript> Run(const std::function<Result<AudioClip>()>& open,
                         const TranscribeOptions& options, const TranscribeCallbacks& callbacks,
                         std::stop_token stop) {
    TESSERA_ASSIGN_OR_RETURN(const WindowOptions checked, Check(options));
    return RunChecked(open, checked, callbacks, std::move(stop));
  }
  Result<Transcript> RunChecked(const std::function<Result<AudioClip>()>& open,
                                const WindowOptions& checked, const TranscribeCallbacks& callbacks,
                                std::stop_token stop) {
    const TranscribeMode mode = checked.options().mode;
    Result<AudioClip> clip = open();
    if (mode == TranscribeMode::kSequential || !clip.ok() ||
        (mode == TranscribeMode::kAuto && !AutoIsBatched(*clip))) {
      return RunSequential(std::move(clip), checked, callbacks, std::move(stop));
    }
    Result<Transcript> result = CancelledTranscript();
    BatchCallbacks batch;
    if (callbacks.on_progress) {
      batch.on_progress = [&](int, int, double done, double total) {
        callbacks.on_progress(done, total);
      };
    }
    if (callbacks.on_segment) {
      batch.on_segment = [&](int, const Segment& segment) { callbacks.on_segment(segment); };
    }
    if (callbacks.on_language) {
      batch.on_language = [&](int, std::string_view code, double probability) {
        callbacks.on_language(code, probability);
      };
    }
    batch.on_transcript = [&](int, Result<Transcript> transcript) {
      result = std::move(transcript);
    };
    TESSERA_RETURN_IF_ERROR(
        RunBatch(1, [&](int) { return std::move(clip); }, checked, batch, std::move(stop)));
    return result;
  }
};

Transcriber::Transcriber(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transcriber::Transcriber(Transcriber&&) noexcept = default;
Transcriber& Transcriber::operator=(Transcriber&&) noexcept = default;
Transcriber::~Transcriber() = default;

const Model& Transcriber::model() const { return impl_->model; }

Result<Transcriber> Transcriber::Create(const ModelOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(const Model model, Model::Load(options));
  return Create(model);
}

Result<Transcriber> Transcriber::Create(const Model& model) {
  TESSERA_RETURN_IF_ERROR(WhisperOf(model).status());
  auto impl = std::unique_ptr<Impl>(new Impl{model, nullptr, std::nullopt});
  return Transcriber(std::move(impl));
}

Result<Transcript> Transcriber::TranscribeFile(const std::string& path,
                                               const TranscribeOptions& options,
                                               const TranscribeCallbacks& callbacks,
                                               std::stop_token stop) {
  return impl_->Run([&] { return OpenFile(path, {}, stop); }, options, callbacks, stop);
}

Result<Transcript> Transcriber::TranscribeSamples(std::span<const float> samples,
                                                  const TranscribeOptions& options,
                                                  const TranscribeCallbacks& callbacks,
                                                  std::stop_token stop) {
  return impl_->Run([&] { return Result<AudioClip>(AudioClip::FromSamples(samples)); }, options,
                    callbacks, stop);
}

Result<Transcript> Transcriber::TranscribePcm(std::span<const std::byte> bytes,
                                              const PcmFormat& format,
                                              const TranscribeOptions& options,
                                              const TranscribeCallbacks& callbacks,
                                              std::stop_token stop) {
  return impl_->Run([&] { return DecodeMemory(bytes, ForRaw(format), stop); }, options, callbacks,
                    stop);
}

Status Transcriber::TranscribeFiles(std::span<const std::string> paths,
                                    const TranscribeOptions& options,
                                    const BatchCallbacks& callbacks, std::stop_token stop,
                                    const std::optional<PcmFormat>& raw) {
  TESSERA_ASSIGN_OR_RETURN(const WindowOptions checked, impl_->Check(options));
  const DecodeOptions decode = raw ? ForRaw(*raw) : DecodeOptions();
  const auto open = [&](int index) {
    return OpenFile(paths[static_cast<size_t>(index)], decode, stop);
  };
  const auto count = static_cast<int>(paths.size());
  if (options.mode == TranscribeMode::kBatched ||
      (options.mode == TranscribeMode::kAuto && count > 1)) {
    return impl_->RunBatch(count, open, checked, callbacks, stop);
  }

  double seconds_done = 0;
  for (int i = 0; i < count && !stop.stop_requested(); ++i) {
    TranscribeCallbacks one;
    if (callbacks.on_progress) {
      one.on_progress = [&, i](double done, double total) {
        callbacks.on_progress(i, i + 1, seconds_done + done, seconds_done + total);
      };
    }
    if (callbacks.on_segment) {
      one.on_segment = [&, i](const Segment& segment) { callbacks.on_segment(i, segment); };
    }
    if (callbacks.on_language) {
      one.on_language = [&, i](std::string_view code, double probability) {
        callbacks.on_language(i, code, probability);
      };
    }
    Result<Transcript> transcript = impl_->RunChecked([&] { return open(i); }, checked, one, stop);
    if (transcript.ok()) seconds_done += transcript->duration;
    if (callbacks.on_transcript) callbacks.on_transcript(i, std::move(transcript));
  }
  return OkStatus();
}

}  // namespace tessera
