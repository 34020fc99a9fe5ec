// The decoders behind DecodeFile(), one function each. They open a source or say why they cannot:
// unimplemented: the file may be sound, but this decoder does not know it (the next one is tried);
// data_loss: it is broken. A source must not outlive the ByteSource it reads from.
#ifndef TESSERA_AUDIO_DECODERS_H_
#define TESSERA_AUDIO_DECODERS_H_

#include <memory>
#include <stop_token>
#include <string>

#include "audio/byte_source.h"
#include "audio/clip.h"
#include "audio/decode.h"
#include "audio/pcm.h"
#include "audio/sniff.h"

namespace tessera {

// WAV, FLAC and MP3 with miniaudio. unimplemented in builds without it.
Result<std::unique_ptr<PcmSource>> OpenWithMiniaudio(ByteSource& source, AudioContainer container);

// Whatever libsndfile reads: Ogg (Vorbis, Opus, FLAC), AIFF, Sphere, AU, odd WAVs. unimplemented in
// builds without it.
Result<std::unique_ptr<PcmSource>> OpenWithSndfile(ByteSource& source);

// Runs ffmpeg with the options openai-whisper gives it and hands each piece of its output (16 kHz
// mono) to `consume`. The input is `path`, or `stdin_fd` (an open regular file) when `path` is
// empty. not_found when there is no ffmpeg.
Status DecodeWithFfmpeg(const DecodeOptions& options, const std::string& path, int stdin_fd,
                        const std::function<Status(std::span<const int16_t>)>& consume,
                        std::stop_token stop);

}  // namespace tessera

#endif  // TESSERA_AUDIO_DECODERS_H_
