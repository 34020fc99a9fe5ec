// Ogg Vorbis and Opus, AIFF, NIST Sphere, AU and the WAVs that miniaudio does not know, by
// libsndfile.
#include "audio/decoders.h"
#include "base/check.h"

#ifdef TESSERA_HAVE_SNDFILE

#include <sndfile.h>

#include <algorithm>
#include <cstdio>

namespace tessera {
namespace {

sf_count_t OnLength(void* cursor) { return static_cast<ByteCursor*>(cursor)->size(); }
sf_count_t OnTell(void* cursor) { return static_cast<ByteCursor*>(cursor)->position(); }
sf_count_t OnRead(void* out, sf_count_t count, void* cursor) {
  if (count <= 0) return 0;
  return static_cast<sf_count_t>(
      static_cast<ByteCursor*>(cursor)->Read(out, static_cast<size_t>(count)));
}
sf_count_t OnSeek(sf_count_t offset, int whence, void* opaque) {
  auto* cursor = static_cast<ByteCursor*>(opaque);
  const int64_t base = whence == SEEK_SET   ? 0
                       : whence == SEEK_CUR ? cursor->position()
                                            : cursor->size();
  int64_t target;
  if (__builtin_add_overflow(base, offset, &target) || !cursor->Seek(target)) return -1;
  return target;
}
sf_count_t OnWrite(const void*, sf_count_t, void*) { return 0; }

Speaker SpeakerOf(int position) {
  switch (position) {
    case SF_CHANNEL_MAP_MONO:
    case SF_CHANNEL_MAP_CENTER:
    case SF_CHANNEL_MAP_FRONT_CENTER:
      return Speaker::kFrontCenter;
    case SF_CHANNEL_MAP_LEFT:
    case SF_CHANNEL_MAP_FRONT_LEFT:
      return Speaker::kFrontLeft;
    case SF_CHANNEL_MAP_RIGHT:
    case SF_CHANNEL_MAP_FRONT_RIGHT:
      return Speaker::kFrontRight;
    case SF_CHANNEL_MAP_REAR_CENTER:
      return Speaker::kBackCenter;
    case SF_CHANNEL_MAP_REAR_LEFT:
      return Speaker::kBackLeft;
    case SF_CHANNEL_MAP_REAR_RIGHT:
      return Speaker::kBackRight;
    case SF_CHANNEL_MAP_LFE:
      return Speaker::kLowFrequency;
    case SF_CHANNEL_MAP_FRONT_LEFT_OF_CENTER:
      return Speaker::kFrontLeftOfCenter;
    case SF_CHANNEL_MAP_FRONT_RIGHT_OF_CENTER:
      return Speaker::kFrontRightOfCenter;
    case SF_CHANNEL_MAP_SIDE_LEFT:
      return Speaker::kSideLeft;
    case SF_CHANNEL_MAP_SIDE_RIGHT:
      return Speaker::kSideRight;
    default:
      return Speaker::kOther;
  }
}

// Ogg orders its channels in its own way (Vorbis I, section 4.3.9).
std::vector<Speaker> OggSpeakers(int channels) {
  using enum Speaker;
  switch (channels) {
    case 3:
      return {kFrontLeft, kFrontCenter, kFrontRight};
    case 4:
      return {kFrontLeft, kFrontRight, kBackLeft, kBackRight};
    case 5:
      return {kFrontLeft, kFrontCenter, kFrontRight, kBackLeft, kBackRight};
    case 6:
      return {kFrontLeft, kFrontCenter, kFrontRight, kBackLeft, kBackRight, kLowFrequency};
    case 7:
      return {kFrontLeft, kFrontCenter, kFrontRight,  kSideLeft,
              kSideRight, kBackCenter,  kLowFrequency};
    case 8:
      return {kFrontLeft, kFrontCenter, kFrontRight, kSideLeft,
              kSideRight, kBackLeft,    kBackRight,  kLowFrequency};
    default:
      return DefaultSpeakers(channels);
  }
}

std::vector<Speaker> SpeakersOf(SNDFILE* file, const SF_INFO& info) {
  if ((info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG) return OggSpeakers(info.channels);
  std::vector<int> map(static_cast<size_t>(info.channels));
  if (sf_command(file, SFC_GET_CHANNEL_MAP_INFO, map.data(),
                 static_cast<int>(map.size() * sizeof(int))) != SF_TRUE) {
    return DefaultSpeakers(info.channels);
  }
  std::vector<Speaker> speakers(map.size());
  std::transform(map.begin(), map.end(), speakers.begin(), SpeakerOf);
  return speakers;
}

SampleKind KindOf(int format) {
  switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_20:
    case SF_FORMAT_ALAC_24:
    case SF_FORMAT_ALAC_32:
      return SampleKind::kS32;
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_VORBIS:
    case SF_FORMAT_OPUS:
    case SF_FORMAT_MPEG_LAYER_I:
    case SF_FORMAT_MPEG_LAYER_II:
    case SF_FORMAT_MPEG_LAYER_III:
      return SampleKind::kF32;
    case SF_FORMAT_DOUBLE:
      return SampleKind::kF64;
    default:
      return SampleKind::kS16;
  }
}

class SndfileSource : public PcmSource {
 public:
  explicit SndfileSource(ByteSource& source) : cursor_(source) {}
  ~SndfileSource() override {
    if (file_ != nullptr) sf_close(file_);
  }
  SndfileSource(const SndfileSource&) = delete;
  SndfileSource& operator=(const SndfileSource&) = delete;

  Status Open() {
    SF_VIRTUAL_IO io = {OnLength, OnSeek, OnRead, OnWrite, OnTell};
    file_ = sf_open_virtual(&io, SFM_READ, &info_, &cursor_);
    if (file_ == nullptr) {
      return Unimplemented(std::string("libsndfile cannot read it: ") + sf_strerror(nullptr));
    }
    // Opus is 48 kHz inside. libsndfile would decode it at the rate of the original recording;
    // ffmpeg, and so openai-whisper, does not, and the two sound different.
    if ((info_.format & SF_FORMAT_SUBMASK) == SF_FORMAT_OPUS && info_.samplerate != 48000) {
      double rate = 48000;
      if (sf_command(file_, SFC_SET_ORIGINAL_SAMPLERATE, &rate, sizeof rate) == SF_TRUE) {
        sf_command(file_, SFC_GET_CURRENT_SF_INFO, &info_, sizeof info_);
      }
    }
    TESSERA_RETURN_IF_ERROR(CheckPcmFormat(info_.samplerate, info_.channels));
    format_.kind = KindOf(info_.format);
    format_.sample_rate = info_.samplerate;
    format_.speakers = SpeakersOf(file_, info_);
    return OkStatus();
  }

  const PcmFormat& format() const override { return format_; }
  int64_t expected_frames() const override { return std::max<int64_t>(info_.frames, 0); }

  Result<int64_t> Read(int64_t max_frames, std::byte* out) override {
    switch (format_.kind) {
      case SampleKind::kS16:
        return sf_readf_short(file_, reinterpret_cast<short*>(out), max_frames);
      case SampleKind::kS32:
        return sf_readf_int(file_, reinterpret_cast<int*>(out), max_frames);
      case SampleKind::kF32:
        return sf_readf_float(file_, reinterpret_cast<float*>(out), max_frames);
      case SampleKind::kF64:
        return sf_readf_double(file_, reinterpret_cast<double*>(out), max_frames);
    }
    return 0;
  }

 private:
  ByteCursor cursor_;
  SF_INFO info_ = {};
  SNDFILE* file_ = nullptr;
  PcmFormat format_;
};

}  // namespace

Result<std::unique_ptr<PcmSource>> OpenWithSndfile(ByteSource& source) {
  auto opened = std::make_unique<SndfileSource>(source);
  TESSERA_RETURN_IF_ERROR(opened->Open());
  return std::unique_ptr<PcmSource>(std::move(opened));
}

}  // namespace tessera

#else  // TESSERA_HAVE_SNDFILE

namespace tessera {

Result<std::unique_ptr<PcmSource>> OpenWithSndfile(ByteSource&) {
  return Unimplemented("this build has no libsndfile");
}

}  // namespace tessera

#endif  // TESSERA_HAVE_SNDFILE
