#include <cmath>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "pipelines/c_api_common.h"
#include "tessera/transcribe.h"

struct tessera_transcriber {
  tessera::Transcriber transcriber;
  std::mutex mutex;       // guards `stop`
  std::stop_source stop;  // of the call that runs now
  std::string placement;
};

struct tessera_transcript {
  tessera::Transcript transcript;
  std::vector<tessera_segment> segments;  // point into `transcript`
};

namespace tessera {
namespace {

std::optional<double> UnlessNan(double x) {
  return std::isnan(x) ? std::nullopt : std::optional<double>(x);
}

TranscribeOptions ToCpp(const tessera_transcribe_options& c) {
  TranscribeOptions options;
  options.task =
      c.task == TESSERA_TRANSLATE ? TranscribeTask::kTranslate : TranscribeTask::kTranscribe;
  options.mode = static_cast<TranscribeMode>(c.mode);
  options.batch_size = c.batch_size;
  if (c.exact >= 0) options.exact = c.exact != 0;
  if (c.language != nullptr) options.language = c.language;
  if (c.beam_size != 0) options.beam_size = c.beam_size;
  if (c.best_of != 0) options.best_of = c.best_of;
  if (c.patience != 0) options.patience = c.patience;
  if (!(c.length_penalty < 0)) options.length_penalty = c.length_penalty;
  if (c.temperatures != nullptr) {
    options.temperatures.assign(c.temperatures, c.temperatures + c.num_temperatures);
  }
  options.compression_ratio_threshold = UnlessNan(c.compression_ratio_threshold);
  options.logprob_threshold = UnlessNan(c.logprob_threshold);
  options.no_speech_threshold = UnlessNan(c.no_speech_threshold);
  options.seed = c.seed;
  options.condition_on_previous_text = c.condition_on_previous_text != 0;
  if (c.initial_prompt != nullptr) options.initial_prompt = c.initial_prompt;
  options.carry_initial_prompt = c.carry_initial_prompt != 0;
  if (c.prefix != nullptr) options.prefix = c.prefix;
  if (c.suppress_non_speech == 0) options.suppress_tokens.clear();
  options.suppress_blank = c.suppress_blank != 0;
  options.without_timestamps = c.without_timestamps != 0;
  options.max_initial_timestamp = c.max_initial_timestamp;
  if (c.clip_timestamps != nullptr) {
    options.clip_timestamps.assign(c.clip_timestamps, c.clip_timestamps + c.num_clip_timestamps);
  }
  return options;
}

tessera_segment ToC(const Segment& segment) {
  return {segment.id,
          segment.start,
          segment.end,
          segment.text.c_str(),
          segment.tokens.data(),
          segment.tokens.size(),
          segment.temperature,
          segment.avg_logprob,
          segment.compression_ratio,
          segment.no_speech_prob};
}

TranscribeCallbacks ToCallbacks(const tessera_transcribe_options& c) {
  TranscribeCallbacks callbacks;
  if (c.on_segment != nullptr) {
    callbacks.on_segment = [call = c.on_segment, data = c.user_data](const Segment& segment) {
      const tessera_segment view = ToC(segment);
      call(&view, data);
    };
  }
  if (c.on_progress != nullptr) {
    callbacks.on_progress = [call = c.on_progress, data = c.user_data](double done, double total) {
      call(done, total, data);
    };
  }
  return callbacks;
}

// Common to all sources of audio. run(options, callbacks, stop) transcribes.
template <typename Run>
Status TranscribeC(tessera_transcriber* transcriber, const tessera_transcribe_options* given,
                   tessera_transcript** out, const Run& run) {
  if (out == nullptr) return InvalidArgument("transcript is NULL");
  *out = nullptr;
  if (transcriber == nullptr) return InvalidArgument("transcriber is NULL");
  TESSERA_ASSIGN_OR_RETURN(const tessera_transcribe_options c,
                           ReadOptions(given, tessera_transcribe_options_init));
  std::stop_source stop;
  {
    const std::lock_guard lock(transcriber->mutex);
    transcriber->stop = stop;
  }
  TESSERA_ASSIGN_OR_RETURN(Transcript transcript, run(ToCpp(c), ToCallbacks(c), stop.get_token()));
  auto result = std::make_unique<tessera_transcript>();
  result->transcript = std::move(transcript);
  for (const Segment& segment : result->transcript.segments) {
    result->segments.push_back(ToC(segment));
  }
  *out = result.release();
  return OkStatus();
}

}  // namespace
}  // namespace tessera

using tessera::Guarded;
using tessera::InvalidArgument;
using tessera::OkStatus;
using tessera::Status;

extern "C" {

void tessera_transcribe_options_init(tessera_transcribe_options* options) {
  if (options == nullptr) return;
  const tessera::TranscribeOptions defaults;
  *options = tessera_transcribe_options{};
  options->size = sizeof(*options);
  options->length_penalty = -1;
  options->compression_ratio_threshold = *defaults.compression_ratio_threshold;
  options->logprob_threshold = *defaults.logprob_threshold;
  options->no_speech_threshold = *defaults.no_speech_threshold;
  options->condition_on_previous_text = 1;
  options->suppress_non_speech = 1;
  options->suppress_blank = 1;
  options->max_initial_timestamp = *defaults.max_initial_timestamp;
  options->batch_size = defaults.batch_size;
  options->exact = -1;
}

tessera_status tessera_transcriber_create(const tessera_model_options* given,
                                          tessera_transcriber** transcriber) {
  return Guarded([&]() -> Status {
    if (transcriber == nullptr) return InvalidArgument("transcriber is NULL");
    *transcriber = nullptr;
    TESSERA_ASSIGN_OR_RETURN(const tessera::ModelOptions options, tessera::ReadModelOptions(given));
    TESSERA_ASSIGN_OR_RETURN(tessera::Transcriber created, tessera::Transcriber::Create(options));
    *transcriber = new tessera_transcriber{std::move(created), {}, {}, {}};
    return OkStatus();
  });
}

void tessera_transcriber_free(tessera_transcriber* transcriber) { delete transcriber; }

const char* tessera_transcriber_placement(tessera_transcriber* transcriber) {
  if (transcriber == nullptr) return nullptr;
  return tessera::KeepPlacement(transcriber->transcriber.model(), &transcriber->placement);
}

tessera_status tessera_transcribe_file(tessera_transcriber* transcriber, const char* path,
                                       const tessera_transcribe_options* options,
                                       tessera_transcript** transcript) {
  return Guarded([&]() -> Status {
    if (path == nullptr) return InvalidArgument("path is NULL");
    return tessera::TranscribeC(
        transcriber, options, transcript,
        [&](const auto& cpp_options, const auto& callbacks, std::stop_token stop) {
          return transcriber->transcriber.TranscribeFile(path, cpp_options, callbacks, stop);
        });
  });
}

tessera_status tessera_transcribe_samples(tessera_transcriber* transcriber, const float* samples,
                                          size_t num_samples,
                                          const tessera_transcribe_options* options,
                                          tessera_transcript** transcript) {
  return Guarded([&]() -> Status {
    if (samples == nullptr && num_samples > 0) return InvalidArgument("samples is NULL");
    return tessera::TranscribeC(
        transcriber, options, transcript,
        [&](const auto& cpp_options, const auto& callbacks, std::stop_token stop) {
          return transcriber->transcriber.TranscribeSamples({samples, num_samples}, cpp_options,
                                                            callbacks, stop);
        });
  });
}

tessera_status tessera_cancel(tessera_transcriber* transcriber) {
  return Guarded([&]() -> Status {
    if (transcriber == nullptr) return InvalidArgument("transcriber is NULL");
    const std::lock_guard lock(transcriber->mutex);
    transcriber->stop.request_stop();
    return OkStatus();
  });
}

const char* tessera_transcript_text(const tessera_transcript* transcript) {
  return transcript == nullptr ? "" : transcript->transcript.text.c_str();
}

const char* tessera_transcript_language(const tessera_transcript* transcript) {
  return transcript == nullptr ? "" : transcript->transcript.language.c_str();
}

double tessera_transcript_duration(const tessera_transcript* transcript) {
  return transcript == nullptr ? 0 : transcript->transcript.duration;
}

int tessera_transcript_cancelled(const tessera_transcript* transcript) {
  return transcript != nullptr && transcript->transcript.cancelled ? 1 : 0;
}

size_t tessera_transcript_num_segments(const tessera_transcript* transcript) {
  return transcript == nullptr ? 0 : transcript->segments.size();
}

const tessera_segment* tessera_transcript_segment(const tessera_transcript* transcript,
                                                  size_t index) {
  if (transcript == nullptr || index >= transcript->segments.size()) return nullptr;
  return &transcript->segments[index];
}

void tessera_transcript_free(tessera_transcript* transcript) { delete transcript; }

}  // extern "C"
