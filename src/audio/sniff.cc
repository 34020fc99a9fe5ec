#include "audio/sniff.h"

#include <array>
#include <string_view>

namespace tessera {
namespace {

constexpr size_t kHeadBytes = 512;

struct Magic {
  size_t offset;
  std::string_view bytes;
  AudioContainer container;
  const char* name;
};

using enum AudioContainer;
using namespace std::string_view_literals;
constexpr Magic kMagics[] = {
    {0, "RF64"sv, kWav, "RF64"},
    {0, "riff\x2E\x91\xCF\x11"sv, kWav, "Wave64"},
    {0, "fLaC"sv, kFlac, "FLAC"},
    {0, "OggS"sv, kSndfile, "Ogg"},
    {0, "RIFX"sv, kSndfile, "big-endian WAV"},
    {0, ".snd"sv, kSndfile, "Sun audio"},
    {0, "NIST_1A"sv, kSndfile, "NIST Sphere"},
    {0, "caff"sv, kSndfile, "Core Audio"},
    {4, "ftyp"sv, kFfmpeg, "MP4"},
    {4, "moov"sv, kFfmpeg, "QuickTime"},
    {4, "mdat"sv, kFfmpeg, "QuickTime"},
    {4, "wide"sv, kFfmpeg, "QuickTime"},
    {0, "\x1A\x45\xDF\xA3"sv, kFfmpeg, "Matroska or WebM"},
    {0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11"sv, kFfmpeg, "Windows Media"},
    {0, "#!AMR"sv, kFfmpeg, "AMR"},
    {0, "FLV\x01"sv, kFfmpeg, "Flash video"},
    {0, "ADIF"sv, kFfmpeg, "AAC"},
    {0, "\x0B\x77"sv, kFfmpeg, "AC-3"},
    {0, "\x7F\xFE\x80\x01"sv, kFfmpeg, "DTS"},
    {0, "\x00\x00\x01\xBA"sv, kFfmpeg, "MPEG program stream"},
    {0, "\x00\x00\x01\xB3"sv, kFfmpeg, "MPEG video"},
    {0, "wvpk"sv, kFfmpeg, "WavPack"},
    {0, "MAC "sv, kFfmpeg, "Monkey's Audio"},
    {0, "TTA1"sv, kFfmpeg, "True Audio"},
    {0, "tBaK"sv, kFfmpeg, "TAK"},
    {0, "MPCK"sv, kFfmpeg, "Musepack"},
    {0, "MP+"sv, kFfmpeg, "Musepack"},
    {0, "DSD "sv, kFfmpeg, "DSD"},
    {0, "Creative Voice File"sv, kSndfile, "Creative Voice"},
    {0, ".RMF"sv, kFfmpeg, "RealMedia"},
    {0, ".ra\xFD"sv, kFfmpeg, "RealAudio"},
};

// Frame header of MPEG audio (a layer of 1 to 3, a valid rate), or of ADTS AAC (layer bits 0).
SniffResult SniffFrameSync(std::string_view head) {
  if (head.size() < 4) return {};
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(head[i]); };
  if (byte(0) != 0xFF || (byte(1) & 0xE0) != 0xE0) return {};
  if ((byte(1) & 0xF6) == 0xF0 && (byte(2) >> 2 & 15) < 13) return {kFfmpeg, "AAC"};
  const bool version_ok = (byte(1) >> 3 & 3) != 1, layer_ok = (byte(1) >> 1 & 3) != 0;
  const bool bitrate_ok = (byte(2) >> 4) != 15, rate_ok = (byte(2) >> 2 & 3) != 3;
  if (version_ok && layer_ok && bitrate_ok && rate_ok) return {kMp3, "MP3"};
  return {};
}

}  // namespace

SniffResult SniffAudio(ByteSource& source) {
  std::array<std::byte, kHeadBytes> buffer;
  int64_t offset = 0;
  bool tagged = false;
  // ID3v2 tags stand before MP3 (and, wrongly but often, before FLAC and AAC); few files have more
  // than one.
  for (int tags = 0; tags < 4; ++tags) {
    const size_t got = source.ReadAt(offset, buffer);
    const std::string_view head(reinterpret_cast<const char*>(buffer.data()), got);
    if (head.size() >= 10 && head.starts_with("ID3")) {
      int64_t size = 0;
      for (size_t i = 6; i < 10; ++i)
        size = size << 7 | (static_cast<unsigned char>(head[i]) & 0x7F);
      const bool footer = (static_cast<unsigned char>(head[5]) & 0x10) != 0;
      offset += 10 + size + (footer ? 10 : 0);
      tagged = true;
      continue;
    }
    if (head.starts_with("RIFF") && head.size() >= 12) {
      return head.substr(8, 4) == "WAVE" ? SniffResult{kWav, "WAV"} : SniffResult{kFfmpeg, "RIFF"};
    }
    if (head.starts_with("FORM") && head.size() >= 12 &&
        (head.substr(8, 4) == "AIFF" || head.substr(8, 4) == "AIFC")) {
      return {kSndfile, "AIFF"};
    }
    // The first Ogg page holds nothing but the header of the first stream.
    if (head.starts_with("OggS") && head.substr(0, 64).find("OpusHead") != std::string_view::npos) {
      return {kOpus, "Ogg Opus"};
    }
    for (const Magic& magic : kMagics) {
      if (head.size() >= magic.offset + magic.bytes.size() &&
          head.substr(magic.offset, magic.bytes.size()) == magic.bytes) {
        return {magic.container, magic.name};
      }
    }
    if (head.size() > 376 && head[0] == 'G' && head[188] == 'G' && head[376] == 'G') {
      return {kFfmpeg, "MPEG transport stream"};
    }
    const SniffResult frame = SniffFrameSync(head);
    if (frame.container != kUnknown) return frame;
    break;
  }
  return tagged ? SniffResult{kMp3, "MP3"} : SniffResult{};
}

}  // namespace tessera
