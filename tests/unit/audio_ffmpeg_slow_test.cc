// Our decoders against ffmpeg itself, run as openai-whisper runs it. Skipped where ffmpeg or the
// shared data are absent.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "base/subprocess.h"

namespace tessera {
namespace {

// Our rounding differs from ffmpeg's now and then by one unit: the decoders of MP3 and Vorbis and
// the float resampler order their sums differently. A wrong filter, delay or mix is far above 0.6
// units.
struct Case {
  const char* path;
  double max_rms;  // in units of 16 bits
  int max_length_difference = 0;
};
constexpr Case kCases[] = {
    // Nothing is rounded twice: the same bits.
    {"en/librispeech_test_other/1688-142285-0000.flac", 0},
    {"diar/ami_dev00.wav", 0},              // float
    {"diar/multichannel_dialogue.wav", 0},  // three channels
    {"en/ljspeech/LJ001-0003.wav", 0},      // 22.05 kHz
    {"en/misc/watson_speech_44k.wav", 0},
    {"en/misc/1272-128104-0004-8k.wav", 0},
    {"en/misc/p286_011_vctk48k.wav", 0},
    {"formats/sonnet1.aiff", 0.05},  // stereo
    {"formats/sr_audio-mono-8-bit-44100Hz.wav", 0.05},
    {"formats/lhotse_example.sph", 0.05},
    {"formats/am_s24.wav", 0.05},
    {"formats/sr_audio-stereo-24-bit-44100Hz.flac", 0.05},
    {"formats/sr_audio-stereo-32-bit-44100Hz.wav", 0.05},
    {"en/ljspeech/LJ001-0002.mp3", 0.1},
    {"en/misc/jfk.mp3", 0.1},
    {"en/misc/1272-141231-0002.mp3", 0.1},
    {"formats/sonnet1.ogg", 0.1},
    // ffmpeg's own error at the cut-off last frame of this file ends it early.
    {"formats/sonnet1.flac", 0.1, 200},
    // Through ffmpeg on both sides.
    {"formats/am_testing.m4a", 0},
    {"formats/8_Channel_ID.m4a", 0},
    {"formats/sonnet1.aac", 0},
    {"formats/sonnet1.mp4", 0},
    {"formats/sonnet1.webm", 0},
    {"formats/am_bus.opus", 0},
    {"en/fleurs/fleurs-en-001.ogg", 0},
    // ffmpeg decodes MS ADPCM with other rounding than miniaudio and libsndfile, which agree: 46 dB
    // under the signal. The file states a length that ffmpeg does not heed.
    {"formats/am_ms_adpcm.wav", 50, 600},
};

class AgainstFfmpeg : public testing::TestWithParam<Case> {};

TEST_P(AgainstFfmpeg, SoundsTheSame) {
  const char* shared = std::getenv("TESSERA_SHARED");
  const std::string path =
      (shared != nullptr ? shared : std::string(TESSERA_SOURCE_DIR) + "/../shared") + "/data/" +
      GetParam().path;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto ffmpeg = FindProgram("ffmpeg");
  if (!ffmpeg.ok()) GTEST_SKIP() << "ffmpeg is absent";
  SubprocessOptions child;
  child.argv = {*ffmpeg, "-nostdin", "-v",      "quiet",     "-i",  path,    "-f", "s16le",
                "-ac",   "1",        "-acodec", "pcm_s16le", "-ar", "16000", "-"};
  std::vector<std::byte> bytes;
  child.on_stdout = [&](std::span<const std::byte> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return OkStatus();
  };
  ASSERT_TRUE(RunSubprocess(child).ok());
  const auto* expected = reinterpret_cast<const int16_t*>(bytes.data());
  const int64_t expected_count = static_cast<int64_t>(bytes.size() / sizeof(int16_t));
  ASSERT_GT(expected_count, 0);

  const auto clip = DecodeFile(path);
  ASSERT_TRUE(clip.ok()) << clip.status().ToString();
  EXPECT_LE(std::abs(clip->num_samples() - expected_count), GetParam().max_length_difference);
  std::vector<int16_t> ours(static_cast<size_t>(std::min(clip->num_samples(), expected_count)));
  ASSERT_TRUE(clip->Read(0, ours).ok());
  double sum = 0;
  for (size_t i = 0; i < ours.size(); ++i) sum += std::pow(ours[i] - expected[i], 2.0);
  EXPECT_LE(std::sqrt(sum / static_cast<double>(ours.size())), GetParam().max_rms);
}

INSTANTIATE_TEST_SUITE_P(Files, AgainstFfmpeg, testing::ValuesIn(kCases), [](const auto& info) {
  std::string name = std::filesystem::path(info.param.path).filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); },
      '_');
  return name;
});

}  // namespace
}  // namespace tessera
