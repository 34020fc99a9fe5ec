// What a file is, by its first bytes. Names are not looked at: they lie.
#ifndef TESSERA_AUDIO_SNIFF_H_
#define TESSERA_AUDIO_SNIFF_H_

#include "audio/byte_source.h"

namespace tessera {

enum class AudioContainer {
  kWav,      // RIFF, RF64 or W64 with PCM or other samples
  kFlac,     // native FLAC
  kMp3,      // MPEG audio layer I to III, with or without an ID3 tag
  kOpus,     // Ogg with an Opus stream
  kSndfile,  // other Ogg, AIFF, Sun .au, NIST Sphere, CAF, big-endian RIFF
  kFfmpeg,   // known, and for ffmpeg only: MP4, Matroska and WebM, ADTS, ASF, AMR, FLV, MPEG, AVI,
             // ...
  kUnknown,
};

struct SniffResult {
  AudioContainer container = AudioContainer::kUnknown;
  const char* name = "unknown";  // for messages
};
SniffResult SniffAudio(ByteSource& source);

}  // namespace tessera

#endif  // TESSERA_AUDIO_SNIFF_H_
