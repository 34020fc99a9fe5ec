// Decoding: kinds of WAV built here, hostile input, options.
#include "audio/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
void Put(Bytes& out, T value) {
  const auto* p = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), p, p + sizeof value);
}
void PutText(Bytes& out, const char* text) {
  for (; *text != '\0'; ++text) out.push_back(static_cast<std::byte>(*text));
}

struct WavHeader {
  uint16_t tag = 1, channels = 1, bits = 16;
  uint32_t rate = 16000;
  uint32_t claimed_data = 0xFFFFFFFF;  // this value: the true size
};

Bytes Wav(const WavHeader& h, const Bytes& data) {
  const uint32_t size =
      h.claimed_data == 0xFFFFFFFF ? static_cast<uint32_t>(data.size()) : h.claimed_data;
  Bytes out;
  PutText(out, "RIFF");
  Put<uint32_t>(out, size + 36);
  PutText(out, "WAVEfmt ");
  Put<uint32_t>(out, 16);
  Put(out, h.tag);
  Put(out, h.channels);
  Put(out, h.rate);
  Put<uint32_t>(out, h.rate * h.channels * h.bits / 8);
  Put<uint16_t>(out, static_cast<uint16_t>(h.channels * h.bits / 8));
  Put(out, h.bits);
  PutText(out, "data");
  Put(out, size);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

template <typename T>
Bytes Samples(const std::vector<T>& values) {
  Bytes out;
  for (const T v : values) Put(out, v);
  return out;
}

DecodeOptions NoFfmpeg() {
  DecodeOptions options;
  options.use_ffmpeg = false;
  return options;
}

std::vector<int16_t> Decoded(const Bytes& bytes, const DecodeOptions& options = NoFfmpeg()) {
  auto clip = DecodeMemory(bytes, options);
  EXPECT_TRUE(clip.ok()) << clip.status().ToString();
  if (!clip.ok()) return {};
  std::vector<int16_t> out(static_cast<size_t>(clip->num_samples()));
  EXPECT_TRUE(clip->Read(0, out).ok());
  return out;
}

using V = std::vector<int16_t>;

TEST(Decode, SampleKindsAtTheTargetRate) {
  EXPECT_EQ(Decoded(Wav({}, Samples<int16_t>({1, -2, 32767}))), (V{1, -2, 32767}));
  EXPECT_EQ(Decoded(Wav({.bits = 8}, Samples<uint8_t>({128, 0, 255}))), (V{0, -32768, 32512}));
  // ffmpeg cuts 32 bits to 16, it does not round.
  EXPECT_EQ(Decoded(Wav({.bits = 32}, Samples<int32_t>({0x0001FFFF, -1}))), (V{1, -1}));
  EXPECT_EQ(Decoded(Wav({.tag = 3, .bits = 32}, Samples<float>({0.5f, -2.0f, 1.5f / 32768}))),
            (V{16384, -32768, 2}));
  EXPECT_EQ(Decoded(Wav({.tag = 3, .bits = 64}, Samples<double>({0.5, 2.0, -1.5 / 32768}))),
            (V{16384, 32767, -2}));
  EXPECT_EQ(Decoded(Wav({.tag = 6, .bits = 8}, Samples<uint8_t>({0xD5, 0x55}))), (V{8, -8}));
  EXPECT_EQ(Decoded(Wav({.tag = 7, .bits = 8}, Samples<uint8_t>({0xFF, 0x00}))), (V{0, -32124}));
}

std::string ErrorOf(const Bytes& bytes) {
  const auto clip = DecodeMemory(bytes, NoFfmpeg());
  EXPECT_EQ(clip.status().code(), StatusCode::kDataLoss) << clip.status().ToString();
  return clip.status().message();
}

TEST(Decode, ASampleThatIsNoNumberIsAnError) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  // The second of two channels, behind the first block, with and without resampling.
  for (const uint32_t rate : {16000u, 44100u}) {
    std::vector<float> samples(2 * size_t{rate} * 3, 0.25f);
    samples[2 * (size_t{rate} + rate / 10) + 1] = nan;
    samples[2 * (size_t{rate} * 2)] = inf;
    const WavHeader header{.tag = 3, .channels = 2, .bits = 32, .rate = rate};
    EXPECT_THAT(ErrorOf(Wav(header, Samples(samples))),
                testing::HasSubstr("the sample at 1.100 s is not a number (NaN)"));
    // What is not wanted is not looked at.
    DecodeOptions first_second = NoFfmpeg();
    first_second.duration_seconds = 0.5;
    EXPECT_EQ(Decoded(Wav(header, Samples(samples)), first_second).size(), 8000u);
  }
  EXPECT_THAT(ErrorOf(Wav({.tag = 3, .bits = 32}, Samples<float>({0, -inf, nan}))),
              testing::HasSubstr("the sample at 0.000 s is infinite"));
  EXPECT_THAT(ErrorOf(Wav({.tag = 3, .bits = 64}, Samples<double>({0, 1e308, std::nan("")}))),
              testing::HasSubstr("not a number"));
}

TEST(Decode, TheLargestFloatsAreSaturated) {
  const float max = std::numeric_limits<float>::max();
  EXPECT_EQ(Decoded(Wav({.tag = 3, .bits = 32}, Samples<float>({max, -max}))), (V{32767, -32768}));
  // The filter overflows there, without a trap and without a sample out of range.
  EXPECT_EQ(Decoded(Wav({.tag = 3, .bits = 32, .rate = 8000},
                        Samples<float>(std::vector<float>(500, max))))
                .size(),
            1000u);
}

TEST(Decode, MixesToMonoAsFfmpeg) {
  EXPECT_EQ(Decoded(Wav({.channels = 2}, Samples<int16_t>({1, 2, -32768, -32768, 100, -50}))),
            (V{2, -32768, 25}));
  // 5.1: left, right 0.2071, centre 0.2929, low frequency 0, surround 0.1464 (1, 1, sqrt 2, 0, sqrt
  // 1/2 over their sum).
  const auto one = [](int channel) {
    std::vector<int16_t> frame(6, 0);
    frame[static_cast<size_t>(channel)] = 10000;
    return Decoded(Wav({.channels = 6}, Samples(frame))).at(0);
  };
  EXPECT_EQ(one(0), 2071);
  EXPECT_EQ(one(1), 2071);
  EXPECT_EQ(one(2), 2929);
  EXPECT_EQ(one(3), 0);
  EXPECT_EQ(one(4), 1465);
  EXPECT_EQ(one(5), 1465);
}

TEST(Decode, ResamplesAToneWithoutError) {
  for (const uint32_t rate : {8000u, 11025u, 22050u, 44100u, 48000u, 96000u, 44099u}) {
    std::vector<float> tone;
    for (uint32_t n = 0; n < rate; ++n) {
      tone.push_back(static_cast<float>(0.5 * std::sin(2 * M_PI * 1000 * n / rate)));
    }
    const V out = Decoded(Wav({.tag = 3, .bits = 32, .rate = rate}, Samples(tone)));
    ASSERT_NEAR(static_cast<double>(out.size()), 16000, 2) << rate;
    // Away from the mirrored edges. 1024 interpolated phases (44099 Hz) are as good as exact ones
    // to a few units.
    for (size_t i = 200; i < 15800; ++i) {
      ASSERT_NEAR(out[i], 16384 * std::sin(2 * M_PI * 1000 * i / 16000.0), 4) << rate << ' ' << i;
    }
  }
}

TEST(Decode, HeadersMayLie) {
  const Bytes data = Samples<int16_t>({1, 2, 3, 4});
  EXPECT_EQ(Decoded(Wav({.claimed_data = 1u << 30}, data)), (V{1, 2, 3, 4}));
  EXPECT_EQ(Decoded(Wav({.claimed_data = 4}, data)), (V{1, 2}));
  for (const WavHeader& h :
       {WavHeader{.channels = 0}, WavHeader{.rate = 0}, WavHeader{.channels = 65},
        WavHeader{.rate = 1000000}, WavHeader{.bits = 0}, WavHeader{.tag = 0x7777}}) {
    const auto clip = DecodeMemory(Wav(h, Samples(std::vector<int16_t>(65, 1))), NoFfmpeg());
    ASSERT_FALSE(clip.ok());
    EXPECT_TRUE(clip.status().code() == StatusCode::kDataLoss ||
                clip.status().code() == StatusCode::kUnavailable)
        << clip.status().ToString();
  }
  EXPECT_EQ(DecodeMemory(Wav({}, {}), NoFfmpeg()).status().code(), StatusCode::kDataLoss);
}

TEST(Decode, RefusesWhatIsNotAudio) {
  EXPECT_EQ(DecodeMemory({}, NoFfmpeg()).status().code(), StatusCode::kDataLoss);
  Bytes text;
  PutText(text, "This is a letter, not a recording. #EXTM3U file:///etc/passwd");
  EXPECT_FALSE(DecodeMemory(text).ok());
  EXPECT_FALSE(DecodeMemory(text, NoFfmpeg()).ok());
  // 1 GB of zeros, as a sparse file.
  const auto path =
      std::filesystem::temp_directory_path() /
      ("tessera-zeros-" + std::to_string(std::hash<std::string>()(TESSERA_BINARY_DIR)));
  {
    std::ofstream(path) << '\0';
  }
  std::filesystem::resize_file(path, uintmax_t{1} << 30);
  const auto clip = DecodeFile(path.string());
  std::filesystem::remove(path);
  EXPECT_EQ(clip.status().code(), StatusCode::kDataLoss);
}

TEST(Decode, NamesMissingFilesAndFolders) {
  const auto missing = DecodeFile("no/such/file.wav");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("no/such/file.wav"), std::string::npos);
  EXPECT_EQ(DecodeFile(TESSERA_SOURCE_DIR).status().code(), StatusCode::kInvalidArgument);
}

TEST(Decode, SaysWhichPackageIsMissing) {
  Bytes mp4(64);
  std::memcpy(mp4.data() + 4, "ftypM4A ", 8);
  DecodeOptions options;
  options.ffmpeg = "/no/such/ffmpeg";
  const auto clip = DecodeMemory(mp4, options);
  EXPECT_EQ(clip.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(clip.status().message().find("install the package ffmpeg"), std::string::npos);
  EXPECT_EQ(DecodeMemory(mp4, NoFfmpeg()).status().code(), StatusCode::kUnavailable);
}

// A shell script in place of ffmpeg, so that what is asked of it and made of its answer shows.
TEST(Decode, WhatFfmpegIsAskedAndAnswers) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "tessera_fake_ffmpeg";
  fs::create_directories(folder);
  const fs::path input = folder / "a.m4a", program = folder / "ffmpeg";
  std::ofstream(input) << std::string("\0\0\0\x20", 4) << "ftypM4A ";
  const auto run = [&](const std::string& script) {
    std::ofstream(program) << "#!/bin/sh\nprintf '%s ' \"$@\" > \"$0.args\"\n" << script << '\n';
    fs::permissions(program, fs::perms::owner_all);
    DecodeOptions options;
    options.ffmpeg = program.string();
    return DecodeFile(input.string(), options);
  };
  // A sample cut in two between pieces.
  const auto clip = run("printf 'ABC'; sleep 0.1; printf 'D'");
  ASSERT_TRUE(clip.ok()) << clip.status().ToString();
  V samples(static_cast<size_t>(clip->num_samples()));
  ASSERT_TRUE(clip->Read(0, samples).ok());
  EXPECT_EQ(samples, (V{0x4241, 0x4443}));
  std::ifstream args(program.string() + ".args");
  std::string line;
  std::getline(args, line);
  // Neither other protocols nor playlists, which name other files and hosts.
  EXPECT_THAT(line, testing::HasSubstr("-protocol_whitelist file -format_whitelist aac,"));
  EXPECT_THAT(line, testing::HasSubstr("-i file:" + input.string() + " "));
  const auto failed = run("printf 'AB'; echo \"[mov @ 0x55] file:" + input.string() +
                          ": no moov\" >&2; echo more >&2; exit 1");
  EXPECT_EQ(failed.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(failed.status().message(),
            "cannot decode " + input.string() + ": ffmpeg says: no moov");
  fs::remove_all(folder);
}

TEST(Decode, OptionsCutLimitAndReport) {
  std::vector<int16_t> ramp(32000);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<int16_t>(i);
  const Bytes wav = Wav({}, Samples(ramp));
  DecodeOptions options = NoFfmpeg();
  options.start_seconds = 0.5;
  options.duration_seconds = 0.25;
  double reported = 0;
  options.progress = [&](double done, double) { reported = done; };
  const V cut = Decoded(wav, options);
  EXPECT_EQ(cut, V(ramp.begin() + 8000, ramp.begin() + 12000));
  EXPECT_GE(reported, 0.75);
  options = NoFfmpeg();
  options.max_seconds = 1.5;
  EXPECT_EQ(DecodeMemory(wav, options).status().code(), StatusCode::kResourceExhausted);
  options.start_seconds = -1;
  EXPECT_EQ(DecodeMemory(wav, options).status().code(), StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(DecodeMemory(wav, NoFfmpeg(), stop.get_token()).status().code(),
            StatusCode::kCancelled);
}

TEST(Decode, RawSamplesAndStreams) {
  DecodeOptions options = NoFfmpeg();
  options.raw = RawPcm{.encoding = RawPcmEncoding::kF32Le, .sample_rate = 16000, .channels = 2};
  EXPECT_EQ(Decoded(Samples<float>({0.5f, 0.0f, -1.0f, 0.0f}), options), (V{8192, -16384}));
  options.raw->channels = 0;
  EXPECT_EQ(DecodeMemory(Samples<float>({0.5f}), options).status().code(),
            StatusCode::kInvalidArgument);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::tmpfile(), &std::fclose);
  const Bytes wav = Wav({}, Samples<int16_t>({5, 6}));
  std::fwrite(wav.data(), 1, wav.size(), stream.get());
  std::rewind(stream.get());
  const auto clip = DecodeStream(stream.get(), NoFfmpeg());
  ASSERT_TRUE(clip.ok());
  EXPECT_EQ(clip->num_samples(), 2);
  std::rewind(stream.get());
  options = NoFfmpeg();
  options.max_stream_bytes = 10;
  EXPECT_EQ(DecodeStream(stream.get(), options).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tessera
