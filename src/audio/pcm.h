// Decoded samples on their way to 16 kHz mono: what a decoder yields, and the converter that mixes,
// resamples and rounds them.
//
// The four sample kinds are kept apart because ffmpeg treats them differently, and its result is
// what openai-whisper hears.
#ifndef TESSERA_AUDIO_PCM_H_
#define TESSERA_AUDIO_PCM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "audio/clip.h"
#include "audio/downmix.h"
#include "audio/resampler.h"
#include "tessera/status.h"

namespace tessera {

enum class SampleKind {
  kS16,
  kS32,
  kF32,
  kF64
};  // kS32 holds 20- to 32-bit samples in its high bits
int BytesPerSample(SampleKind kind);

inline constexpr int kMaxChannels = 64;
inline constexpr int kMaxSampleRate = 768000;

struct PcmFormat {
  SampleKind kind = SampleKind::kS16;
  int sample_rate = 0;
  std::vector<Speaker> speakers;  // one a channel
  int channels() const { return static_cast<int>(speakers.size()); }
  int bytes_per_frame() const { return channels() * BytesPerSample(kind); }
};
// data_loss unless rate and channels lie in [1, kMaxSampleRate] and [1, kMaxChannels].
Status CheckPcmFormat(int64_t sample_rate, int64_t channels);

// A decoder that has been opened. One thread.
class PcmSource {
 public:
  virtual ~PcmSource() = default;
  virtual const PcmFormat& format() const = 0;
  // Frames that the file says it has, or 0 when it does not. For progress only: it may lie.
  virtual int64_t expected_frames() const = 0;
  // Decodes up to `max_frames` interleaved frames to `out`; 0 is the end.
  virtual Result<int64_t> Read(int64_t max_frames, std::byte* out) = 0;
};

// Any format to 16 kHz mono 16-bit. One thread.
class PcmConverter {
 public:
  explicit PcmConverter(const PcmFormat& format);  // checked with CheckPcmFormat

  // Appends to `out` what `count` interleaved frames yield. data_loss, with the time, at the first
  // sample of any channel that is NaN or infinite; nothing may be pushed afterwards.
  Status Push(const std::byte* frames, int64_t count, std::vector<int16_t>& out);
  void Flush(std::vector<int16_t>& out);

 private:
  // Frames of floats: CheckFinite(), then MixAndResample().
  template <typename T>
  Status PushFloats(const T* in, int64_t count, std::unique_ptr<Resampler<T>>& resampler,
                    std::vector<int16_t>& out);
  template <typename In, typename T>
  void MixAndResample(const In* in, int64_t count, T scale,
                      std::unique_ptr<Resampler<T>>& resampler, std::vector<int16_t>& out);
  void MixS16(const int16_t* in, int64_t count, std::vector<int16_t>& out);
  // 16-bit sources are resampled channel by channel, then mixed, each step rounding: `in` null ends
  // the stream.
  void ResampleS16(const int16_t* in, int64_t count, std::vector<int16_t>& out);

  const PcmFormat format_;
  int64_t frames_ = 0;  // pushed before
  std::vector<double> weights_;
  std::vector<int32_t> weights_q15_;
  std::vector<Resampler<int16_t>> resamplers_s16_;  // one a channel
  std::unique_ptr<Resampler<float>> resampler_f32_;
  std::unique_ptr<Resampler<double>> resampler_f64_;
};

}  // namespace tessera

#endif  // TESSERA_AUDIO_PCM_H_
