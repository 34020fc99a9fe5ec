// WAV, FLAC and MP3 with miniaudio's decoders; this file also holds miniaudio's implementation,
// without its devices and mixers.
#include "audio/decoders.h"
#include "base/check.h"

#ifdef TESSERA_HAVE_MINIAUDIO

#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_ENGINE
#define MA_NO_NODE_GRAPH
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_GENERATION
#define MA_NO_ENCODING
#define MA_NO_THREADING
// MP3 in float, as ffmpeg decodes it: 16 bits would be rounded twice.
#define MA_DR_MP3_FLOAT_OUTPUT
#define MINIAUDIO_IMPLEMENTATION
#if defined(__clang__) || defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include "miniaudio.h"
#if defined(__clang__) || defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>

namespace tessera {
namespace {

size_t OnRead(void* cursor, void* out, size_t count) {
  return static_cast<ByteCursor*>(cursor)->Read(out, count);
}
// The three decoders have an enum each for the origin, with the same values.
template <typename Origin>
ma_bool32 OnSeek(void* opaque, int offset, Origin origin) {
  auto* cursor = static_cast<ByteCursor*>(opaque);
  const int64_t base = static_cast<int>(origin) == 0   ? 0
                       : static_cast<int>(origin) == 1 ? cursor->position()
                                                       : cursor->size();
  return cursor->Seek(base + offset) ? MA_TRUE : MA_FALSE;
}
ma_bool32 OnTell(void* cursor, ma_int64* position) {
  *position = static_cast<ByteCursor*>(cursor)->position();
  return MA_TRUE;
}
static_assert(MA_DR_WAV_SEEK_SET == 0 && MA_DR_WAV_SEEK_CUR == 1 && MA_DR_WAV_SEEK_END == 2);
static_assert(MA_DR_FLAC_SEEK_SET == 0 && MA_DR_FLAC_SEEK_CUR == 1 && MA_DR_FLAC_SEEK_END == 2);
static_assert(MA_DR_MP3_SEEK_SET == 0 && MA_DR_MP3_SEEK_CUR == 1 && MA_DR_MP3_SEEK_END == 2);

class WavSource : public PcmSource {
 public:
  explicit WavSource(ByteSource& source) : cursor_(source) {}
  ~WavSource() override {
    if (open_) ma_dr_wav_uninit(&wav_);
  }
  WavSource(const WavSource&) = delete;
  WavSource& operator=(const WavSource&) = delete;

  Status Open() {
    open_ = ma_dr_wav_init(&wav_, OnRead, OnSeek<ma_dr_wav_seek_origin>, OnTell, &cursor_,
                           nullptr) == MA_TRUE;
    if (!open_) return Unimplemented("it is not a WAV file that miniaudio can read");
    TESSERA_RETURN_IF_ERROR(CheckPcmFormat(wav_.sampleRate, wav_.channels));
    const int bits = wav_.bitsPerSample;
    switch (wav_.translatedFormatTag) {
      case MA_DR_WAVE_FORMAT_PCM:
        if (bits != 8 && bits != 16 && bits != 24 && bits != 32) {
          return Unimplemented("PCM of " + std::to_string(bits) + " bits");
        }
        format_.kind = bits <= 16 ? SampleKind::kS16 : SampleKind::kS32;
        break;
      case MA_DR_WAVE_FORMAT_IEEE_FLOAT:
        if (bits != 32 && bits != 64) return Unimplemented("float of " + std::to_string(bits));
        format_.kind = bits == 32 ? SampleKind::kF32 : SampleKind::kF64;
        break;
      case MA_DR_WAVE_FORMAT_ALAW:
      case MA_DR_WAVE_FORMAT_MULAW:
        if (bits != 8) return Unimplemented("companded PCM of " + std::to_string(bits) + " bits");
        break;
      // Not MS ADPCM: miniaudio's decoder overflows on hostile input (seen by the fuzzer);
      // libsndfile has it too.
      case MA_DR_WAVE_FORMAT_DVI_ADPCM:
        if (wav_.channels > 2) return Unimplemented("ADPCM of more than two channels");
        break;
      default:
        return Unimplemented("WAV format tag " + std::to_string(wav_.translatedFormatTag));
    }
    format_.sample_rate = static_cast<int>(wav_.sampleRate);
    format_.speakers = SpeakersOfMask(wav_.fmt.channelMask, wav_.channels);
    return OkStatus();
  }

  const PcmFormat& format() const override { return format_; }
  int64_t expected_frames() const override {
    return static_cast<int64_t>(std::min<ma_uint64>(wav_.totalPCMFrameCount, int64_t{1} << 50));
  }

  Result<int64_t> Read(int64_t max_frames, std::byte* out) override {
    const auto frames = static_cast<ma_uint64>(max_frames);
    ma_uint64 got = 0;
    switch (format_.kind) {
      case SampleKind::kS16:
        got = ma_dr_wav_read_pcm_frames_s16(&wav_, frames, reinterpret_cast<ma_int16*>(out));
        break;
      case SampleKind::kS32:
        got = ma_dr_wav_read_pcm_frames_s32(&wav_, frames, reinterpret_cast<ma_int32*>(out));
        break;
      case SampleKind::kF32:
        got = ma_dr_wav_read_pcm_frames_f32(&wav_, frames, reinterpret_cast<float*>(out));
        break;
      case SampleKind::kF64:
        got = ma_dr_wav_read_pcm_frames(&wav_, frames, out);
        break;
    }
    return static_cast<int64_t>(got);
  }

 private:
  ByteCursor cursor_;
  ma_dr_wav wav_ = {};
  bool open_ = false;
  PcmFormat format_;
};

// FLAC format, section 9.1.3: its own channel orders.
std::vector<Speaker> FlacSpeakers(int channels) {
  using enum Speaker;
  switch (channels) {
    case 3:
      return {kFrontLeft, kFrontRight, kFrontCenter};
    case 4:
      return {kFrontLeft, kFrontRight, kBackLeft, kBackRight};
    default:
      return DefaultSpeakers(channels);
  }
}

class FlacSource : public PcmSource {
 public:
  explicit FlacSource(ByteSource& source) : cursor_(source) {}
  ~FlacSource() override {
    if (flac_ != nullptr) ma_dr_flac_close(flac_);
  }
  FlacSource(const FlacSource&) = delete;
  FlacSource& operator=(const FlacSource&) = delete;

  Status Open() {
    flac_ = ma_dr_flac_open(OnRead, OnSeek<ma_dr_flac_seek_origin>, OnTell, &cursor_, nullptr);
    if (flac_ == nullptr) return Unimplemented("it is not a FLAC file that miniaudio can read");
    TESSERA_RETURN_IF_ERROR(CheckPcmFormat(flac_->sampleRate, flac_->channels));
    format_.kind = flac_->bitsPerSample <= 16 ? SampleKind::kS16 : SampleKind::kS32;
    format_.sample_rate = static_cast<int>(flac_->sampleRate);
    format_.speakers = FlacSpeakers(flac_->channels);
    return OkStatus();
  }

  const PcmFormat& format() const override { return format_; }
  int64_t expected_frames() const override {
    return static_cast<int64_t>(std::min<ma_uint64>(flac_->totalPCMFrameCount, int64_t{1} << 50));
  }

  Result<int64_t> Read(int64_t max_frames, std::byte* out) override {
    const auto frames = static_cast<ma_uint64>(max_frames);
    const ma_uint64 got =
        format_.kind == SampleKind::kS16
            ? ma_dr_flac_read_pcm_frames_s16(flac_, frames, reinterpret_cast<ma_int16*>(out))
            : ma_dr_flac_read_pcm_frames_s32(flac_, frames, reinterpret_cast<ma_int32*>(out));
    return static_cast<int64_t>(got);
  }

 private:
  ByteCursor cursor_;
  ma_dr_flac* flac_ = nullptr;
  PcmFormat format_;
};

class Mp3Source : public PcmSource {
 public:
  explicit Mp3Source(ByteSource& source) : cursor_(source) {}
  ~Mp3Source() override {
    if (open_) ma_dr_mp3_uninit(&mp3_);
  }
  Mp3Source(const Mp3Source&) = delete;
  Mp3Source& operator=(const Mp3Source&) = delete;

  Status Open() {
    open_ = ma_dr_mp3_init(&mp3_, OnRead, OnSeek<ma_dr_mp3_seek_origin>, OnTell, nullptr, &cursor_,
                           nullptr) == MA_TRUE;
    if (!open_) return Unimplemented("it is not an MP3 file that miniaudio can read");
    TESSERA_RETURN_IF_ERROR(CheckPcmFormat(mp3_.sampleRate, mp3_.channels));
    format_.kind = SampleKind::kF32;
    format_.sample_rate = static_cast<int>(mp3_.sampleRate);
    format_.speakers = DefaultSpeakers(static_cast<int>(mp3_.channels));
    return OkStatus();
  }

  const PcmFormat& format() const override { return format_; }
  int64_t expected_frames() const override {
    return mp3_.totalPCMFrameCount == MA_UINT64_MAX
               ? 0
               : static_cast<int64_t>(
                     std::min<ma_uint64>(mp3_.totalPCMFrameCount, int64_t{1} << 50));
  }

  Result<int64_t> Read(int64_t max_frames, std::byte* out) override {
    return static_cast<int64_t>(ma_dr_mp3_read_pcm_frames_f32(
        &mp3_, static_cast<ma_uint64>(max_frames), reinterpret_cast<float*>(out)));
  }

 private:
  ByteCursor cursor_;
  ma_dr_mp3 mp3_ = {};
  bool open_ = false;
  PcmFormat format_;
};

template <typename Source>
Result<std::unique_ptr<PcmSource>> Open(ByteSource& bytes) {
  auto opened = std::make_unique<Source>(bytes);
  TESSERA_RETURN_IF_ERROR(opened->Open());
  return std::unique_ptr<PcmSource>(std::move(opened));
}

}  // namespace

Result<std::unique_ptr<PcmSource>> OpenWithMiniaudio(ByteSource& source, AudioContainer container) {
  switch (container) {
    case AudioContainer::kWav:
      return Open<WavSource>(source);
    case AudioContainer::kFlac:
      return Open<FlacSource>(source);
    case AudioContainer::kMp3:
      return Open<Mp3Source>(source);
    default:
      return Unimplemented("not a container of miniaudio");
  }
}

}  // namespace tessera

#else  // TESSERA_HAVE_MINIAUDIO

namespace tessera {

Result<std::unique_ptr<PcmSource>> OpenWithMiniaudio(ByteSource&, AudioContainer) {
  return Unimplemented("this build has no miniaudio");
}

}  // namespace tessera

#endif  // TESSERA_HAVE_MINIAUDIO
