// Mixing channels to mono as ffmpeg's libswresample does for "-ac 1", with its default levels:
// centre and surround at -3 dB, low-frequency channel left out, weights divided by their sum so
// that nothing clips.
#ifndef TESSERA_AUDIO_DOWNMIX_H_
#define TESSERA_AUDIO_DOWNMIX_H_

#include <cstdint>
#include <vector>

namespace tessera {

// Loudspeaker positions in the order of the bits of a WAV channel mask.
enum class Speaker : uint8_t {
  kFrontLeft,
  kFrontRight,
  kFrontCenter,
  kLowFrequency,
  kBackLeft,
  kBackRight,
  kFrontLeftOfCenter,
  kFrontRightOfCenter,
  kBackCenter,
  kSideLeft,
  kSideRight,
  kOther,  // height and unknown positions: not mixed when others are there
};

// The positions ffmpeg assumes for a file that names none: 1 to 8 channels; all kOther for other
// counts.
std::vector<Speaker> DefaultSpeakers(int channels);
// The positions of a WAV channel mask, or the default ones when the mask does not name `channels`
// of them.
std::vector<Speaker> SpeakersOfMask(uint32_t mask, int channels);

// One weight a channel; they sum to 1. Positions that carry nothing into mono get 0; when all
// would, all weigh the same.
std::vector<double> MonoWeights(const std::vector<Speaker>& speakers);

}  // namespace tessera

#endif  // TESSERA_AUDIO_DOWNMIX_H_
