#include "audio/clip.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "audio/finite.h"
#include "base/check.h"

namespace tessera {

int16_t FloatToSample(float x) {
  const float scaled = std::nearbyint(std::clamp(x, -2.0f, 2.0f) * 32768.0f);
  return static_cast<int16_t>(std::clamp(scaled, -32768.0f, 32767.0f));
}

AudioClip AudioClip::FromSamples(std::vector<int16_t> samples) {
  auto storage = std::make_shared<Storage>();
  storage->num_samples = static_cast<int64_t>(samples.size());
  storage->memory = std::move(samples);
  AudioClip clip;
  clip.storage_ = std::move(storage);
  return clip;
}

Result<AudioClip> AudioClip::FromSamples(std::span<const float> samples) {
  TESSERA_RETURN_IF_ERROR(CheckFinite(samples, 1, kSampleRate));
  std::vector<int16_t> rounded(samples.size());
  std::transform(samples.begin(), samples.end(), rounded.begin(), FloatToSample);
  return FromSamples(std::move(rounded));
}

int64_t AudioClip::num_samples() const { return storage_ ? storage_->num_samples : 0; }

bool AudioClip::spilled() const { return storage_ && storage_->file; }

Status AudioClip::Read(int64_t begin, std::span<int16_t> out) const {
  const int64_t count = static_cast<int64_t>(out.size());
  if (begin < 0 || begin > num_samples() || count > num_samples() - begin) {
    return InvalidArgument("samples [" + std::to_string(begin) + ", +" + std::to_string(count) +
                           ") lie outside an audio clip of " + std::to_string(num_samples()));
  }
  if (count == 0) return OkStatus();
  if (storage_->file) {
    return storage_->file->ReadAt(begin * static_cast<int64_t>(sizeof(int16_t)),
                                  std::as_writable_bytes(out));
  }
  std::copy_n(storage_->memory.data() + begin, count, out.data());
  return OkStatus();
}

AudioClipWriter::AudioClipWriter(int64_t max_bytes_in_memory)
    : max_bytes_in_memory_(max_bytes_in_memory), storage_(std::make_shared<AudioClip::Storage>()) {}

Status AudioClipWriter::Append(std::span<const int16_t> samples) {
  auto& memory = storage_->memory;
  const size_t limit = static_cast<size_t>(max_bytes_in_memory_) / sizeof(int16_t);
  if (!storage_->file && (samples.size() > limit || memory.size() > limit - samples.size())) {
    TESSERA_ASSIGN_OR_RETURN(storage_->file, SpillFile::Create());
    TESSERA_RETURN_IF_ERROR(storage_->file->Append(std::as_bytes(std::span(memory))));
    memory = {};
  }
  if (storage_->file) {
    TESSERA_RETURN_IF_ERROR(storage_->file->Append(std::as_bytes(samples)));
  } else {
    memory.insert(memory.end(), samples.begin(), samples.end());
  }
  storage_->num_samples += static_cast<int64_t>(samples.size());
  return OkStatus();
}

Result<AudioClip> AudioClipWriter::Finish() && {
  AudioClip clip;
  clip.storage_ = std::move(storage_);
  return clip;
}

}  // namespace tessera
