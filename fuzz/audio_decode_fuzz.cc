// Any bytes as an audio file in memory, without child processes: WAV, FLAC, MP3, Ogg and whatever
// libsndfile takes.
#include <cstddef>
#include <cstdint>
#include <span>

#include "audio/decode.h"
#include "base/check.h"

namespace {

// A small file may rightly claim long silence; more of it would only cost runs.
constexpr double kMaxSeconds = 5;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::DecodeOptions options;
  options.use_ffmpeg = false;
  options.max_seconds = kMaxSeconds;
  const tessera::Result<tessera::AudioClip> clip =
      tessera::DecodeMemory(std::as_bytes(std::span(data, size)), options);
  if (clip.ok()) {
    TESSERA_CHECK(clip->num_samples() > 0 && clip->duration_seconds() <= kMaxSeconds);
  } else {
    TESSERA_CHECK(!clip.status().message().empty());
  }
  return 0;
}
