// Log-mel against openai-whisper's own (tools/golden/audio_log_mel.py).
#include "audio/log_mel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "audio/decode.h"

namespace tessera {
namespace {

constexpr int kGoldenStep = 50;
const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/";

std::string SharedFile(const std::string& path) {
  const char* shared = std::getenv("TESSERA_SHARED");
  return (shared != nullptr ? shared : std::string(TESSERA_SOURCE_DIR) + "/../shared") + "/data/" +
         path;
}

std::vector<float> ReadFloats(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const std::string text = bytes.str();
  std::vector<float> values(text.size() / sizeof(float));
  std::copy_n(text.data(), values.size() * sizeof(float), reinterpret_cast<char*>(values.data()));
  return values;
}

// The generator of the script.
std::vector<int16_t> Synthetic(int count) {
  std::vector<int16_t> samples;
  uint32_t state = 12345;
  for (int n = 0; n < count; ++n) {
    state = (state * 1103515245u + 12345u) & 0x7FFFFFFFu;
    const int value = static_cast<int>((state >> 8) % 65536u) - 32768;
    samples.push_back(static_cast<int16_t>(value >> (n / 1600 % 10)));
  }
  return samples;
}

// 1e-4 is a tenth of what quantising the samples to 16 bits changes. The rest is float32 on both
// sides: torch's own rounding is of this size where a band lies 80 dB under its neighbours.
constexpr float kTolerance = 1e-4f;

void ExpectGolden(const AudioClip& clip, const std::string& name, int num_mels) {
  const std::vector<float> golden =
      ReadFloats(kGolden + "audio_log_mel_" + name + "_" + std::to_string(num_mels) + ".bin");
  ASSERT_FALSE(golden.empty());
  auto mel = LogMel::Create(clip, num_mels);
  ASSERT_TRUE(mel.ok()) << mel.status().ToString();
  const int64_t golden_frames = static_cast<int64_t>(golden.size()) / num_mels;
  ASSERT_EQ(golden_frames, (mel->num_frames() + kGoldenStep - 1) / kGoldenStep);
  std::vector<float> frame(static_cast<size_t>(num_mels));
  float worst = 0;
  for (int64_t i = 0; i < golden_frames; ++i) {
    ASSERT_TRUE(mel->Frames(i * kGoldenStep, 1, frame).ok());
    for (int m = 0; m < num_mels; ++m) {
      worst = std::max(worst, std::abs(frame[m] - golden[i * num_mels + m]));
    }
  }
  EXPECT_LE(worst, kTolerance);
}

TEST(LogMel, EqualsWhisperOnSyntheticSignal) {
  const AudioClip clip = AudioClip::FromSamples(Synthetic(40000));
  ExpectGolden(clip, "synthetic", 80);
  ExpectGolden(clip, "synthetic", 128);
}

TEST(LogMel, EqualsWhisperOnSpeech) {
  const std::map<std::string, std::string> files = {
      {"libri", "en/librispeech_test_other/1688-142285-0000.flac"}, {"ami", "diar/ami_dev00.wav"}};
  for (const auto& [name, path] : files) {
    if (!std::filesystem::exists(SharedFile(path)))
      GTEST_SKIP() << SharedFile(path) << " is absent";
    auto clip = DecodeFile(SharedFile(path));
    ASSERT_TRUE(clip.ok()) << clip.status().ToString();
    ExpectGolden(*clip, name, 80);
    ExpectGolden(*clip, name, 128);
  }
}

TEST(LogMel, FiltersEqualWhispers) {
  std::ifstream file(kGolden + "audio_mel_filters.txt");
  std::string line;
  std::getline(file, line);
  std::map<int, MelFilters> filters;
  std::map<int, size_t> counts;
  int num_mels, mel, bin;
  float weight;
  while (file >> num_mels >> mel >> bin >> weight) {
    if (!filters.contains(num_mels)) filters[num_mels] = MakeMelFilters(num_mels);
    const MelFilters& f = filters[num_mels];
    ++counts[num_mels];
    const int at = f.row_begin[mel] + bin - f.first_bin[mel];
    ASSERT_GE(at, f.row_begin[mel]);
    ASSERT_LT(at, f.row_begin[mel + 1]);
    // One rounding to float on each side.
    EXPECT_NEAR(f.weights[at], weight, 2e-7 * weight + 1e-9)
        << num_mels << ' ' << mel << ' ' << bin;
  }
  ASSERT_EQ(counts.size(), 2u);
  for (const auto& [n, count] : counts) EXPECT_EQ(count, filters[n].weights.size());
}

TEST(LogMel, FramesDoNotDependOnTheRangeNorTheThreads) {
  const AudioClip clip = AudioClip::FromSamples(Synthetic(100000));
  ThreadPool pool(3);
  auto one = LogMel::Create(clip, 80), many = LogMel::Create(clip, 80, &pool);
  ASSERT_TRUE(one.ok() && many.ok());
  std::vector<float> all(static_cast<size_t>(one->num_frames() * 80)), some(13 * 80);
  ASSERT_TRUE(one->Frames(0, one->num_frames(), all).ok());
  for (const int64_t begin : {0, 1, 7, 250, 255, 256, 610, 619, 623, 3000}) {
    ASSERT_TRUE(many->Frames(begin, 13, some).ok());
    for (size_t i = 0; i < some.size(); ++i) ASSERT_EQ(some[i], all[begin * 80 + i]) << begin;
  }
}

TEST(LogMel, CountsFramesAsWhisper) {
  for (const int samples : {0, 1, 150, 159, 160, 199, 200, 201, 401, 16000, 16159}) {
    auto mel = LogMel::Create(AudioClip::FromSamples(Synthetic(samples)), 80);
    ASSERT_TRUE(mel.ok());
    EXPECT_EQ(mel->content_frames(), samples / 160);
    EXPECT_EQ(mel->num_frames(), (samples + 480000) / 160);
    std::vector<float> out(static_cast<size_t>(mel->num_frames() * 80));
    ASSERT_TRUE(mel->Frames(0, mel->num_frames(), out).ok());
    for (const float v : out) ASSERT_TRUE(std::isfinite(v));
    if (samples == 0) EXPECT_FLOAT_EQ(out[0], -1.5f);
  }
}

TEST(LogMel, RefusesBadRequests) {
  const AudioClip clip = AudioClip::FromSamples(Synthetic(1600));
  EXPECT_EQ(LogMel::Create(clip, 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(LogMel::Create(clip, 100000).status().code(), StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(LogMel::Create(clip, 80, nullptr, stop.get_token()).status().code(),
            StatusCode::kCancelled);
  auto mel = LogMel::Create(clip, 80);
  std::vector<float> out(80);
  EXPECT_FALSE(mel->Frames(-1, 1, out).ok());
  EXPECT_FALSE(mel->Frames(mel->num_frames(), 1, out).ok());
  EXPECT_FALSE(mel->Frames(0, 2, out).ok());
  EXPECT_TRUE(mel->Frames(mel->num_frames() - 1, 1, out).ok());
}

}  // namespace
}  // namespace tessera
