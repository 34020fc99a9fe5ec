#include "audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>

#include "audio/mel_kernel.h"
#include "base/check.h"

namespace tessera {
namespace {

constexpr int64_t kBlockFrames = 256;  // 165 KB of samples: stays in the second-level cache
constexpr int kReflect = kFftLength / 2;

}  // namespace

Result<LogMel> LogMel::Create(AudioClip clip, int num_mels, ThreadPool* pool,
                              std::stop_token stop) {
  if (num_mels < kMinNumMels || num_mels > kMaxNumMels) {
    return InvalidArgument("num_mels is " + std::to_string(num_mels) + ", expected " +
                           std::to_string(kMinNumMels) + " to " + std::to_string(kMaxNumMels));
  }
  LogMel mel(std::move(clip), std::make_shared<MelFilters>(MakeMelFilters(num_mels)));
  // Frames behind the content and its reflected edge are silence: they cannot raise the maximum
  // above the clamp.
  const int64_t sounding = std::min(mel.num_frames(), mel.content_frames() + 3);
  const int64_t blocks = (sounding + kBlockFrames - 1) / kBlockFrames;
  std::mutex mutex;
  Status first_error;
  float largest = 0;
  const auto sweep = [&](int64_t block, int) {
    if (stop.stop_requested()) return;
    const int64_t begin = block * kBlockFrames;
    const int64_t count = std::min(kBlockFrames, sounding - begin);
    std::vector<float> power(static_cast<size_t>(count * num_mels));
    const Status status = mel.MelPower(begin, count, power);
    const float block_largest = *std::max_element(power.begin(), power.end());
    const std::lock_guard lock(mutex);
    if (!status.ok() && first_error.ok()) first_error = status;
    largest = std::max(largest, block_largest);
  };
  if (pool != nullptr) {
    pool->ParallelFor(blocks, sweep);
  } else {
    for (int64_t block = 0; block < blocks; ++block) sweep(block, 0);
  }
  if (stop.stop_requested()) return Cancelled("the log-mel spectrogram was stopped");
  TESSERA_RETURN_IF_ERROR(first_error);
  mel.log_floor_ = std::log10(std::max(largest, 1e-10f)) - 8.0f;
  return mel;
}

Status LogMel::MelPower(int64_t begin, int64_t count, std::span<float> out) const {
  const int64_t num_samples = clip_.num_samples();
  std::vector<int16_t> pcm;
  std::vector<float> x;
  while (count > 0) {
    const int64_t frames = std::min(count, kBlockFrames);
    float* const block_out = out.data();
    const int64_t first = begin * kHopLength - kReflect;
    const int64_t length = (frames - 1) * kHopLength + kFftLength;
    begin += frames;
    count -= frames;
    out = out.subspan(static_cast<size_t>(frames * num_mels()));
    if (first >= num_samples) {  // only zeros
      std::fill_n(block_out, frames * num_mels(), 0.0f);
      continue;
    }
    const int64_t read_begin = std::max<int64_t>(first, 0);
    // The reflection at the start looks at most kReflect samples ahead, so these are always read
    // with it.
    const int64_t read_end = std::min(num_samples, std::max<int64_t>(first + length, kReflect + 1));
    pcm.resize(static_cast<size_t>(read_end - read_begin));
    TESSERA_RETURN_IF_ERROR(clip_.Read(read_begin, pcm));
    x.assign(static_cast<size_t>(length), 0.0f);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t at = std::abs(first + i) - read_begin;
      if (at >= static_cast<int64_t>(pcm.size())) {
        if (first + i >= 0) break;  // zeros from here on
        continue;                   // reflection of zeros: the clip is shorter than the edge
      }
      x[static_cast<size_t>(i)] = static_cast<float>(pcm[static_cast<size_t>(at)]) * (1.0f / 32768);
    }
    MelPowerFrames(x.data(), frames, *filters_, block_out);
  }
  return OkStatus();
}

Status LogMel::Frames(int64_t begin, int64_t count, std::span<float> out) const {
  if (begin < 0 || count < 0 || begin > num_frames() || count > num_frames() - begin ||
      static_cast<int64_t>(out.size()) != count * num_mels()) {
    return InvalidArgument("log-mel frames [" + std::to_string(begin) + ", +" +
                           std::to_string(count) + ") into " + std::to_string(out.size()) +
                           " values: there are " + std::to_string(num_frames()) + " frames of " +
                           std::to_string(num_mels()) + " values");
  }
  TESSERA_RETURN_IF_ERROR(MelPower(begin, count, out));
  MelLogScale(out.data(), static_cast<int64_t>(out.size()), log_floor_);
  return OkStatus();
}

}  // namespace tessera
