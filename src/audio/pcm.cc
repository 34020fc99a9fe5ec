#include "audio/pcm.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "audio/finite.h"
#include "base/check.h"

namespace tessera {
namespace {

template <typename T>
int16_t Round(T x) {
  const T scaled = std::nearbyint(std::clamp(x, T(-2), T(2)) * T(32768));
  // Finite samples near the largest float may overflow in the mix or the filter.
  return std::isnan(scaled) ? int16_t{0}
                            : static_cast<int16_t>(std::clamp(scaled, T(-32768), T(32767)));
}

}  // namespace

int BytesPerSample(SampleKind kind) {
  switch (kind) {
    case SampleKind::kS16:
      return 2;
    case SampleKind::kS32:
    case SampleKind::kF32:
      return 4;
    case SampleKind::kF64:
      return 8;
  }
  return 0;
}

Status CheckPcmFormat(int64_t sample_rate, int64_t channels) {
  if (channels < 1 || channels > kMaxChannels) {
    return DataLoss("the audio has " + std::to_string(channels) + " channels, expected 1 to " +
                    std::to_string(kMaxChannels));
  }
  if (sample_rate < 1 || sample_rate > kMaxSampleRate) {
    return DataLoss("the audio's sample rate is " + std::to_string(sample_rate) +
                    " Hz, expected 1 to " + std::to_string(kMaxSampleRate));
  }
  return OkStatus();
}

PcmConverter::PcmConverter(const PcmFormat& format)
    : format_(format), weights_(MonoWeights(format.speakers)) {
  // Fixed point with 15 bits, each weight's rounding error handed to the next channel (ffmpeg's
  // rule, up to its own rounding).
  double rest = 0;
  for (const double weight : weights_) {
    const double target = weight * 32768 + rest;
    weights_q15_.push_back(static_cast<int32_t>(std::lrint(target)));
    rest += target - weights_q15_.back();
  }
  if (format_.sample_rate != kSampleRate) {
    if (format_.kind == SampleKind::kS16) {
      resamplers_s16_.assign(static_cast<size_t>(format_.channels()),
                             Resampler<int16_t>(format_.sample_rate, kSampleRate));
    } else if (format_.kind == SampleKind::kF64) {
      resampler_f64_ = std::make_unique<Resampler<double>>(format_.sample_rate, kSampleRate);
    } else {
      resampler_f32_ = std::make_unique<Resampler<float>>(format_.sample_rate, kSampleRate);
    }
  }
}

template <typename In, typename T>
void PcmConverter::MixAndResample(const In* in, int64_t count, T scale,
                                  std::unique_ptr<Resampler<T>>& resampler,
                                  std::vector<int16_t>& out) {
  const int channels = format_.channels();
  std::vector<T> mono(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    T sum = 0;
    for (int c = 0; c < channels; ++c) {
      const T weight = static_cast<T>(weights_[static_cast<size_t>(c)]);
      if (weight != 0) sum += static_cast<T>(in[i * channels + c]) * scale * weight;
    }
    mono[static_cast<size_t>(i)] = sum;
  }
  if (resampler) {
    std::vector<T> resampled;
    resampler->Push(mono, resampled);
    mono = std::move(resampled);
  }
  for (const T x : mono) out.push_back(Round(x));
}

void PcmConverter::MixS16(const int16_t* in, int64_t count, std::vector<int16_t>& out) {
  const int channels = format_.channels();
  for (int64_t i = 0; i < count; ++i) {
    int64_t sum = 16384;
    for (int c = 0; c < channels; ++c) {
      sum += int64_t{weights_q15_[static_cast<size_t>(c)]} * in[i * channels + c];
    }
    out.push_back(static_cast<int16_t>(std::clamp<int64_t>(sum >> 15, -32768, 32767)));
  }
}

void PcmConverter::ResampleS16(const int16_t* in, int64_t count, std::vector<int16_t>& out) {
  const size_t channels = resamplers_s16_.size();
  std::vector<int16_t> one(static_cast<size_t>(count)), resampled, frames;
  for (size_t c = 0; c < channels; ++c) {
    resampled.clear();
    if (in == nullptr) {
      resamplers_s16_[c].Flush(resampled);
    } else {
      for (size_t i = 0; i < one.size(); ++i) one[i] = in[i * channels + c];
      resamplers_s16_[c].Push(one, resampled);
    }
    if (channels == 1) {
      out.insert(out.end(), resampled.begin(), resampled.end());
      return;
    }
    frames.resize(resampled.size() * channels);
    for (size_t i = 0; i < resampled.size(); ++i) frames[i * channels + c] = resampled[i];
  }
  MixS16(frames.data(), static_cast<int64_t>(frames.size() / channels), out);
}

template <typename T>
Status PcmConverter::PushFloats(const T* in, int64_t count,
                                std::unique_ptr<Resampler<T>>& resampler,
                                std::vector<int16_t>& out) {
  const std::span<const T> samples(in, static_cast<size_t>(count * format_.channels()));
  TESSERA_RETURN_IF_ERROR(CheckFinite(samples, format_.channels(), format_.sample_rate, frames_));
  MixAndResample<T, T>(in, count, T(1), resampler, out);
  return OkStatus();
}

Status PcmConverter::Push(const std::byte* frames, int64_t count, std::vector<int16_t>& out) {
  const bool copies = format_.sample_rate == kSampleRate && format_.channels() == 1;
  switch (format_.kind) {
    case SampleKind::kS16: {
      const auto* in = reinterpret_cast<const int16_t*>(frames);
      if (copies) {
        out.insert(out.end(), in, in + count);
      } else if (resamplers_s16_.empty()) {
        MixS16(in, count, out);
      } else {
        ResampleS16(in, count, out);
      }
      break;
    }
    case SampleKind::kS32: {
      const auto* in = reinterpret_cast<const int32_t*>(frames);
      if (copies) {
        // ffmpeg drops the low bits here, it does not round.
        for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<int16_t>(in[i] >> 16));
      } else {
        MixAndResample<int32_t, float>(in, count, 1.0f / 2147483648.0f, resampler_f32_, out);
      }
      break;
    }
    case SampleKind::kF32:
      TESSERA_RETURN_IF_ERROR(
          PushFloats(reinterpret_cast<const float*>(frames), count, resampler_f32_, out));
      break;
    case SampleKind::kF64:
      TESSERA_RETURN_IF_ERROR(
          PushFloats(reinterpret_cast<const double*>(frames), count, resampler_f64_, out));
      break;
  }
  frames_ += count;
  return OkStatus();
}

void PcmConverter::Flush(std::vector<int16_t>& out) {
  if (!resamplers_s16_.empty()) ResampleS16(nullptr, 0, out);
  if (resampler_f32_) {
    std::vector<float> rest;
    resampler_f32_->Flush(rest);
    for (const float x : rest) out.push_back(Round(x));
  }
  if (resampler_f64_) {
    std::vector<double> rest;
    resampler_f64_->Flush(rest);
    for (const double x : rest) out.push_back(Round(x));
  }
}

}  // namespace tessera
