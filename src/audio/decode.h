// Any audio or video file to an AudioClip: the samples openai-whisper would hear (ffmpeg -f s16le
// -ac 1 -ar 16000).
//
// The content decides, not the name: WAV, FLAC and MP3 are decoded by miniaudio, Ogg (Vorbis,
// Opus), AIFF, Sphere and odd WAVs by libsndfile, all else (M4A, MP4, WebM, AAC, WMA, ...) by an
// installed ffmpeg as a child process. 1 to 768000 Hz, 1 to 64 channels, 8 to 64 bits. Streaming:
// memory does not grow with the file (see AudioClip).
//
// Errors: not_found, permission_denied, invalid_argument (a folder, bad options), data_loss (not
// audio, broken, no samples, a sample that is NaN or infinite), unavailable (ffmpeg is needed and
// absent; the message names the package), resource_exhausted (longer than max_seconds, disk full),
// cancelled. A file that breaks off yields what was there, as ffmpeg does. Thread-safe.
#ifndef TESSERA_AUDIO_DECODE_H_
#define TESSERA_AUDIO_DECODE_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "audio/clip.h"
#include "tessera/status.h"

namespace tessera {

enum class RawPcmEncoding { kS16Le, kF32Le };
// Headerless samples, interleaved.
struct RawPcm {
  RawPcmEncoding encoding = RawPcmEncoding::kS16Le;
  int sample_rate = 16000;
  int channels = 1;
};

struct DecodeOptions {
  double start_seconds = 0;                      // leave out what comes before
  std::optional<double> duration_seconds;        // and what comes after this much
  double max_seconds = 30.0 * 24 * 3600;         // a longer result is an error
  int64_t max_stream_bytes = int64_t{64} << 30;  // of DecodeStream's input
  std::optional<RawPcm> raw;                     // the input has no header: samples as described
  bool use_ffmpeg = true;                        // false: never start a child process
  std::string ffmpeg = "ffmpeg";                 // a path, or a name to look for in PATH
  // Called now and then on the caller's thread: seconds decoded so far, and the whole length or 0
  // when not known.
  std::function<void(double done_seconds, double total_seconds)> progress;
};

Result<AudioClip> DecodeFile(const std::string& path, const DecodeOptions& options = {},
                             std::stop_token stop = {});

// A whole file in memory.
Result<AudioClip> DecodeMemory(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                               std::stop_token stop = {});

// Reads `stream` (standard input, a pipe) to its end, then decodes it.
Result<AudioClip> DecodeStream(std::FILE* stream, const DecodeOptions& options = {},
                               std::stop_token stop = {});

}  // namespace tessera

#endif  // TESSERA_AUDIO_DECODE_H_
