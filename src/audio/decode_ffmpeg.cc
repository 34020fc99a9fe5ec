// M4A, MP4, WebM, AAC, WMA and all else, by an installed ffmpeg in a child process.
#include <cstring>
#include <string_view>
#include <vector>

#include "audio/decoders.h"
#include "base/check.h"
#include "base/subprocess.h"

namespace tessera {
namespace {

// Only containers that hold their own sound. Playlists (HLS, DASH, concat, ...) name other files
// and hosts, so a hostile "recording" could make ffmpeg read them.
constexpr char kFormats[] =
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,latm,loas,"
    "matroska,mp3,mov,mpc,mpc8,mpeg,"
    "mpegts,nistsphere,nut,ogg,rm,tak,tta,voc,w64,wav,webm,wv";

std::string FirstLine(std::string_view text) {
  while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  return std::string(text.substr(0, text.find('\n')).substr(0, 300));
}

}  // namespace

Status DecodeWithFfmpeg(const DecodeOptions& options, const std::string& path, int stdin_fd,
                        const std::function<Status(std::span<const int16_t>)>& consume,
                        std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(const std::string program, FindProgram(options.ffmpeg));
  SubprocessOptions child;
  // "file:" keeps names that begin with '-' or look like a protocol from being anything but a file.
  child.argv = {program,
                "-nostdin",
                "-hide_banner",
                "-loglevel",
                "error",
                "-protocol_whitelist",
                "file",
                "-format_whitelist",
                kFormats,
                "-i",
                path.empty() ? "file:/dev/fd/0" : "file:" + path,
                "-f",
                "s16le",
                "-ac",
                "1",
                "-acodec",
                "pcm_s16le",
                "-ar",
                "16000",
                "pipe:1"};
  child.stdin_fd = path.empty() ? stdin_fd : -1;
  std::vector<int16_t> samples;
  std::vector<std::byte> pending;  // an odd byte between two pieces
  child.on_stdout = [&](std::span<const std::byte> piece) -> Status {
    pending.insert(pending.end(), piece.begin(), piece.end());
    samples.resize(pending.size() / sizeof(int16_t));
    if (samples.empty()) return OkStatus();
    for (size_t i = 0; i < samples.size(); ++i) {
      samples[i] = static_cast<int16_t>(std::to_integer<unsigned>(pending[2 * i]) |
                                        std::to_integer<unsigned>(pending[2 * i + 1]) << 8);
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(2 * samples.size()));
    return consume(samples);
  };
  TESSERA_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(child, stop));
  if (result.exit_code != 0) {
    return DataLoss("ffmpeg could not decode it (exit code " + std::to_string(result.exit_code) +
                    "): " + FirstLine(result.standard_error));
  }
  return OkStatus();
}

}  // namespace tessera
