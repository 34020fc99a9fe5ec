// Log-mel spectrogram of a whole recording, exactly as openai-whisper computes it
// (whisper/audio.py, log_mel_spectrogram with padding = 480000), in pieces.
//
//   x       = samples / 32768, followed by 480000 zeros (30 s), with 200 samples reflected at both
//   ends power   = |rfft(hann_periodic(400) * x[frame * 160 .. + 400])|^2; the last frame is
//   dropped mel     = slaney_filters[num_mels, 201] @ power log_mel = (max(log10(max(mel, 1e-10)),
//   global_max - 8) + 4) / 4, global_max over all frames of the padded recording
//
// Layout is frame-major, f32 [frames, num_mels], so a window is one contiguous slice. A first sweep
// over the clip finds only the global maximum; Frames() then computes any frames on demand, so
// memory does not grow with the recording. A frame's bits depend on its samples and the global
// maximum alone, not on the range asked for or the thread count. Largest difference to
// openai-whisper (torch, f32) seen on real speech: see tests/golden/audio_log_mel.md.
#ifndef TESSERA_AUDIO_LOG_MEL_H_
#define TESSERA_AUDIO_LOG_MEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "audio/clip.h"
#include "base/thread_pool.h"
#include "tessera/status.h"

namespace tessera {

inline constexpr int kHopLength = 160;       // samples between frames: 100 frames a second
inline constexpr int kFftLength = 400;       // samples a frame
inline constexpr int kNumFrequencies = 201;  // kFftLength / 2 + 1
inline constexpr int kWindowFrames = 3000;   // a model window: 30 s
inline constexpr int kMinNumMels = 8;
inline constexpr int kMaxNumMels = 256;

// The filterbank: for mel m, weights[row_begin[m] .. row_begin[m + 1]) apply to the power bins from
// first_bin[m] on.
struct MelFilters {
  int num_mels = 0;
  std::vector<int> first_bin;  // [num_mels]
  std::vector<int> row_begin;  // [num_mels + 1]
  std::vector<float> weights;
};
// Triangles on Slaney's mel scale from 0 to 8000 Hz, each of unit area
// (librosa.filters.mel(sr=16000, n_fft=400, n_mels)).
MelFilters MakeMelFilters(int num_mels);

class LogMel {
 public:
  // num_mels: 80 or 128 for Whisper's models; [kMinNumMels, kMaxNumMels]. Sweeps the clip once for
  // the global maximum, on `pool`'s threads if given (not kept). Errors: invalid_argument,
  // cancelled, or what reading the clip gives.
  static Result<LogMel> Create(AudioClip clip, int num_mels, ThreadPool* pool = nullptr,
                               std::stop_token stop = {});

  int num_mels() const { return filters_->num_mels; }
  // Frames that hold sound, as openai-whisper counts them: samples / 160.
  int64_t content_frames() const { return clip_.num_samples() / kHopLength; }
  // Content and the 30 s of zeros behind it.
  int64_t num_frames() const { return content_frames() + kWindowFrames; }

  // Computes frames [begin, begin + count) to `out`, [count, num_mels]. The range must lie inside
  // [0, num_frames()). Thread-safe.
  Status Frames(int64_t begin, int64_t count, std::span<float> out) const;

 private:
  LogMel(AudioClip clip, std::shared_ptr<const MelFilters> filters)
      : clip_(std::move(clip)), filters_(std::move(filters)) {}
  // Mel power (before clamp and logarithm) of `count` frames to `out`, [count, num_mels].
  Status MelPower(int64_t begin, int64_t count, std::span<float> out) const;

  AudioClip clip_;
  std::shared_ptr<const MelFilters> filters_;
  float log_floor_ = 0;  // global maximum - 8
};

}  // namespace tessera

#endif  // TESSERA_AUDIO_LOG_MEL_H_
