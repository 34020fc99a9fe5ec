// AudioClip: decoded speech, 16 kHz mono signed 16-bit, with random access. Every consumer
// (log-mel, VAD, diarisation) reads from it.
//
// Sixteen bits because openai-whisper decodes to them (ffmpeg -f s16le) and divides by 32768:
// keeping more would change the text. Memory is flat: up to kMaxBytesInMemory samples stay in
// memory (35 minutes), a longer clip lies in an unlinked temporary file. A clip is immutable and
// cheap to copy (copies share the samples); all methods may run on any number of threads at once.
#ifndef TESSERA_AUDIO_CLIP_H_
#define TESSERA_AUDIO_CLIP_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/spill_file.h"
#include "tessera/status.h"

namespace tessera {

inline constexpr int kSampleRate = 16000;

// The nearest 16-bit sample: x * 32768 rounded half to even, saturated. `x` is no NaN.
int16_t FloatToSample(float x);

class AudioClip {
 public:
  static constexpr int64_t kMaxBytesInMemory = int64_t{64} << 20;

  AudioClip() = default;  // no samples
  static AudioClip FromSamples(std::vector<int16_t> samples);
  // Full scale is [-1, 1); see FloatToSample. data_loss, with its place, at a sample that is NaN
  // or infinite.
  static Result<AudioClip> FromSamples(std::span<const float> samples);

  int64_t num_samples() const;
  double duration_seconds() const { return static_cast<double>(num_samples()) / kSampleRate; }
  // Copies samples [begin, begin + out.size()) to `out`; the range must lie inside the clip.
  Status Read(int64_t begin, std::span<int16_t> out) const;
  // Whether the samples lie in a temporary file.
  bool spilled() const;
  // Whether one is a copy of the other: they share their samples.
  bool SharesSamplesWith(const AudioClip& other) const { return storage_ == other.storage_; }

 private:
  friend class AudioClipWriter;
  struct Storage {
    std::vector<int16_t> memory;      // all samples, or none when `file` is set
    std::unique_ptr<SpillFile> file;  // native byte order
    int64_t num_samples = 0;
  };
  std::shared_ptr<const Storage> storage_;
};

// Builds a clip from pieces. One thread. `max_bytes_in_memory` is a parameter for tests.
class AudioClipWriter {
 public:
  explicit AudioClipWriter(int64_t max_bytes_in_memory = AudioClip::kMaxBytesInMemory);

  Status Append(std::span<const int16_t> samples);
  int64_t num_samples() const { return storage_->num_samples; }
  // Ends the clip; the writer must not be used afterwards.
  Result<AudioClip> Finish() &&;

 private:
  const int64_t max_bytes_in_memory_;
  std::shared_ptr<AudioClip::Storage> storage_;
};

}  // namespace tessera

#endif  // TESSERA_AUDIO_CLIP_H_
