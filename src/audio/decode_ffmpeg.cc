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

// The first line that ffmpeg wrote, without what only its authors want to know ("[mp3 @ 0x55...] ")
// and without the name of its input.
std::string Reason(std::string_view text, std::string_view input) {
  const size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string_view::npos) return "no reason given";
  text = text.substr(begin, text.find('\n', begin) - begin);
  if (text.starts_with('[')) {
    const size_t end = text.find("] ");
    if (end != std::string_view::npos) text.remove_prefix(end + 2);
  }
  if (text.starts_with(input) && text.substr(input.size()).starts_with(": ")) {
    text.remove_prefix(input.size() + 2);
  }
  return std::string(text.substr(0, 300));
}

}  // namespace

Status DecodeWithFfmpeg(const DecodeOptions& options, const std::string& path, int stdin_fd,
                        const std::function<Status(std::span<const int16_t>)>& consume,
                        std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(const std::string program, FindProgram(options.ffmpeg));
  const std::string input = path.empty() ? "file:/dev/fd/0" : "file:" + path;
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
                input,
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
    return DataLoss("ffmpeg says: " + Reason(result.standard_error, input));
  }
  return OkStatus();
}

}  // namespace tessera
