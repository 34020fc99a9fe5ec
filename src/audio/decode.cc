#include "audio/decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/byte_source.h"
#include "audio/decoders.h"
#include "audio/pcm.h"
#include "audio/sniff.h"
#include "base/check.h"
#include "base/spill_file.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "raw samples are little-endian");

constexpr int64_t kMaxBlockFrames = 8192;
constexpr int64_t kBlockSamples = int64_t{1} << 20;  // most 16 kHz samples a block may become
constexpr int64_t kProgressSamples = int64_t{10} * kSampleRate;

int64_t ToSamples(double seconds) {
  return static_cast<int64_t>(std::llround(std::min(seconds, 1e12) * kSampleRate));
}

// Takes 16 kHz samples, cuts out the wanted range, holds the limits and reports progress.
class Collector {
 public:
  Collector(const DecodeOptions& options, double total_seconds)
      : options_(options),
        total_seconds_(total_seconds),
        skip_(ToSamples(options.start_seconds)),
        wanted_(options.duration_seconds ? ToSamples(*options.duration_seconds) : INT64_MAX),
        limit_(ToSamples(options.max_seconds)) {}

  Status Add(std::span<const int16_t> samples) {
    seen_ += static_cast<int64_t>(samples.size());
    const int64_t skipped = std::min(skip_, static_cast<int64_t>(samples.size()));
    skip_ -= skipped;
    samples = samples.subspan(static_cast<size_t>(skipped));
    const int64_t missing = wanted_ - writer_.num_samples();
    if (static_cast<int64_t>(samples.size()) > missing) {
      samples = samples.first(static_cast<size_t>(missing));
    }
    if (static_cast<int64_t>(samples.size()) > limit_ - writer_.num_samples()) {
      return ResourceExhausted("the audio is longer than the limit of " +
                               std::to_string(options_.max_seconds) + " s");
    }
    TESSERA_RETURN_IF_ERROR(writer_.Append(samples));
    if (options_.progress && seen_ >= next_progress_) {
      next_progress_ = seen_ + kProgressSamples;
      options_.progress(static_cast<double>(seen_) / kSampleRate, total_seconds_);
    }
    return OkStatus();
  }

  bool full() const { return writer_.num_samples() >= wanted_; }
  // Whether any sample came from the decoder, wanted or not.
  bool any() const { return seen_ > 0; }
  Result<AudioClip> Finish() && {
    if (options_.progress) {
      const double done = static_cast<double>(seen_) / kSampleRate;
      options_.progress(done, done);
    }
    return std::move(writer_).Finish();
  }

 private:
  const DecodeOptions& options_;
  const double total_seconds_;
  int64_t skip_;
  const int64_t wanted_, limit_;
  int64_t seen_ = 0, next_progress_ = kProgressSamples;
  AudioClipWriter writer_;
};

class RawSource : public PcmSource {
 public:
  RawSource(ByteSource& source, const RawPcm& raw) : cursor_(source) {
    format_.kind = raw.encoding == RawPcmEncoding::kS16Le ? SampleKind::kS16 : SampleKind::kF32;
    format_.sample_rate = raw.sample_rate;
    format_.speakers = DefaultSpeakers(raw.channels);
  }
  const PcmFormat& format() const override { return format_; }
  int64_t expected_frames() const override { return cursor_.size() / format_.bytes_per_frame(); }
  Result<int64_t> Read(int64_t max_frames, std::byte* out) override {
    const auto frame = static_cast<size_t>(format_.bytes_per_frame());
    return static_cast<int64_t>(cursor_.Read(out, static_cast<size_t>(max_frames) * frame) / frame);
  }

 private:
  ByteCursor cursor_;
  PcmFormat format_;
};

Status CheckOptions(const DecodeOptions& options) {
  if (!(options.start_seconds >= 0) || !(options.max_seconds > 0) ||
      (options.duration_seconds && !(*options.duration_seconds > 0))) {
    return InvalidArgument("start must be >= 0 s, duration and max_seconds > 0 s");
  }
  if (options.raw) {
    const Status status = CheckPcmFormat(options.raw->sample_rate, options.raw->channels);
    if (!status.ok()) return InvalidArgument("raw samples: " + status.message());
  }
  return OkStatus();
}

Result<AudioClip> Drain(PcmSource& source, const DecodeOptions& options, std::stop_token stop) {
  const PcmFormat& format = source.format();
  Collector collector(options, static_cast<double>(source.expected_frames()) / format.sample_rate);
  PcmConverter converter(format);
  const int64_t block_frames =
      std::clamp<int64_t>(kBlockSamples * format.sample_rate / kSampleRate, 1, kMaxBlockFrames);
  // double: the strictest alignment of the sample kinds
  std::vector<double> block(static_cast<size_t>(block_frames * format.bytes_per_frame() + 7) /
                            sizeof(double));
  auto* const bytes = reinterpret_cast<std::byte*>(block.data());
  std::vector<int16_t> samples;
  while (!collector.full()) {
    if (stop.stop_requested()) return Cancelled("decoding was stopped");
    TESSERA_ASSIGN_OR_RETURN(const int64_t got, source.Read(block_frames, bytes));
    samples.clear();
    if (got <= 0) {
      converter.Flush(samples);
    } else {
      TESSERA_RETURN_IF_ERROR(converter.Push(bytes, std::min(got, block_frames), samples));
    }
    TESSERA_RETURN_IF_ERROR(collector.Add(samples));
    if (got <= 0) break;
  }
  if (!collector.any()) return DataLoss("it holds no audio samples");
  return std::move(collector).Finish();
}

// Whether the file begins with nothing but zeros: no format does, and ffmpeg would search long for
// one.
bool BeginsWithZeros(ByteSource& source) {
  std::array<std::byte, 4096> head;
  const size_t got = source.ReadAt(0, head);
  return std::all_of(head.begin(), head.begin() + static_cast<ptrdiff_t>(got),
                     [](std::byte b) { return b == std::byte{0}; });
}

Result<AudioClip> RunFfmpeg(const DecodeOptions& options, ByteSource& source,
                            const std::string& path, int fd, std::stop_token stop) {
  std::unique_ptr<SpillFile> copy;  // ffmpeg wants a file it can seek in
  if (path.empty() && fd < 0) {
    TESSERA_ASSIGN_OR_RETURN(copy, SpillFile::Create());
    std::vector<std::byte> block(size_t{1} << 20);
    for (int64_t at = 0; at < source.size();) {
      if (stop.stop_requested()) return Cancelled("decoding was stopped");
      const size_t got = source.ReadAt(at, block);
      if (got == 0) return DataLoss("reading it failed");
      TESSERA_RETURN_IF_ERROR(copy->Append(std::span(block).first(got)));
      at += static_cast<int64_t>(got);
    }
    fd = copy->fd();
  }
  Collector collector(options, 0);
  // An error of its own kind ends the child early once the wanted range is complete.
  bool complete = false;
  const auto consume = [&](std::span<const int16_t> samples) -> Status {
    TESSERA_RETURN_IF_ERROR(collector.Add(samples));
    complete = collector.full();
    return complete ? Cancelled("complete") : OkStatus();
  };
  const Status status = DecodeWithFfmpeg(options, path, fd, consume, stop);
  if (!status.ok() && !complete) return status;
  if (!collector.any()) return DataLoss("it holds no audio samples");
  return std::move(collector).Finish();
}

// `path` and `fd` name the same bytes for ffmpeg; both may be absent.
Result<AudioClip> Decode(ByteSource& source, const std::string& path, int fd,
                         const DecodeOptions& options, std::stop_token stop) {
  TESSERA_RETURN_IF_ERROR(CheckOptions(options));
  if (source.size() == 0) return DataLoss("it is empty");
  if (options.raw) {
    RawSource raw(source, *options.raw);
    return Drain(raw, options, stop);
  }
  const SniffResult sniffed = SniffAudio(source);
  if (sniffed.container == AudioContainer::kOpus && options.use_ffmpeg) {
    // ffmpeg resamples Opus' speech mode in its own way, and openai-whisper hears ffmpeg: the two
    // decoders are 40 to 50 dB apart.
    Result<AudioClip> clip = RunFfmpeg(options, source, path, fd, stop);
    const StatusCode code = clip.ok() ? StatusCode::kOk : clip.status().code();
    if (code != StatusCode::kNotFound && code != StatusCode::kDataLoss) return clip;
  }
  if (sniffed.container != AudioContainer::kFfmpeg &&
      sniffed.container != AudioContainer::kUnknown) {
    Result<std::unique_ptr<PcmSource>> opened = OpenWithMiniaudio(source, sniffed.container);
    // Not for MP3: there libsndfile's decoder prints to stderr, and what miniaudio does not know
    // ffmpeg does.
    if (!opened.ok() && opened.status().code() == StatusCode::kUnimplemented &&
        sniffed.container != AudioContainer::kMp3) {
      opened = OpenWithSndfile(source);
    }
    if (opened.ok()) return Drain(**opened, options, stop);
    if (opened.status().code() != StatusCode::kUnimplemented) return std::move(opened).status();
  } else if (BeginsWithZeros(source)) {
    return DataLoss("it is not an audio file: it begins with zeros");
  }
  if (!options.use_ffmpeg) {
    return Unavailable(
        "its format (" + std::string(sniffed.name) +
        ") needs ffmpeg, which is switched off here; convert it to WAV, FLAC, MP3 or Ogg");
  }
  Result<AudioClip> clip = RunFfmpeg(options, source, path, fd, stop);
  if (!clip.ok() && clip.status().code() == StatusCode::kNotFound) {
    return sniffed.container == AudioContainer::kUnknown
               ? DataLoss(
                     "it is not in an audio format known here; a rare format may need ffmpeg "
                     "(install the "
                     "package ffmpeg, e.g. apt-get install ffmpeg)")
               : Unavailable(
                     "its format (" + std::string(sniffed.name) +
                     ") needs ffmpeg, which was not found; install the package ffmpeg "
                     "(e.g. apt-get install ffmpeg) or convert it to WAV, FLAC, MP3 or Ogg");
  }
  return clip;
}

}  // namespace

Result<AudioClip> DecodeMemory(std::span<const std::byte> bytes, const DecodeOptions& options,
                               std::stop_token stop) {
  MemoryByteSource source(bytes);
  Result<AudioClip> clip = Decode(source, "", -1, options, stop);
  if (!clip.ok()) return std::move(clip).status().AddContext("cannot decode the audio");
  return clip;
}

Result<AudioClip> DecodeFile(const std::string& path, const DecodeOptions& options,
                             std::stop_token stop) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(std::fopen(path.c_str(), "rb"),
                                                         &std::fclose);
    if (!pipe) return PermissionDenied("cannot read " + path + ": check its permissions");
    return DecodeStream(pipe.get(), options, stop);
  }
  TESSERA_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, FileByteSource::Open(path));
  Result<AudioClip> clip = Decode(*source, path, -1, options, stop);
  if (!clip.ok()) return std::move(clip).status().AddContext("cannot decode " + path);
  return clip;
}

Result<AudioClip> DecodeStream(std::FILE* stream, const DecodeOptions& options,
                               std::stop_token stop) {
  constexpr size_t kInMemory = size_t{64} << 20;
  std::vector<std::byte> memory, block(size_t{64} << 10);
  std::unique_ptr<SpillFile> file;
  int64_t total = 0;
  while (true) {
    if (stop.stop_requested()) return Cancelled("reading the audio stream was stopped");
    const size_t got = std::fread(block.data(), 1, block.size(), stream);
    if (got == 0) break;
    total += static_cast<int64_t>(got);
    if (total > options.max_stream_bytes) {
      return ResourceExhausted("the audio stream is longer than the limit of " +
                               std::to_string(options.max_stream_bytes) + " bytes");
    }
    const auto piece = std::span<const std::byte>(block).first(got);
    if (!file && memory.size() + got > kInMemory) {
      TESSERA_ASSIGN_OR_RETURN(file, SpillFile::Create());
      TESSERA_RETURN_IF_ERROR(file->Append(memory));
      memory = {};
    }
    if (file) {
      TESSERA_RETURN_IF_ERROR(file->Append(piece));
    } else {
      memory.insert(memory.end(), piece.begin(), piece.end());
    }
  }
  if (std::ferror(stream) != 0) return Unavailable("reading the audio stream failed");
  const auto decode = [&] {
    if (file) {
      SpillByteSource source(*file);
      return Decode(source, "", file->fd(), options, stop);
    }
    MemoryByteSource source(memory);
    return Decode(source, "", -1, options, stop);
  };
  Result<AudioClip> clip = decode();
  if (!clip.ok()) return std::move(clip).status().AddContext("cannot decode the audio stream");
  return clip;
}

}  // namespace tessera
