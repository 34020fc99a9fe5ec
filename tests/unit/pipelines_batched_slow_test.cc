// Batched mode on whisper-base and a recording joined from LibriSpeech files, held against
// sequential mode and the reference text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <sstream>

#include "audio/decode.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Words(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (c != '\'') {
      plain += ' ';
    }
  }
  std::istringstream in(plain);
  return {std::istream_iterator<std::string>(in), {}};
}

// Substitutions, deletions and insertions.
size_t WordErrors(const std::vector<std::string>& want, const std::vector<std::string>& got) {
  std::vector<size_t> row(got.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < want.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < got.size(); ++j) {
      const size_t substituted = diagonal + (want[i] == got[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row.back();
}

class BatchedSlowTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("TESSERA_SHARED");
    folder_ = (shared != nullptr ? fs::path(shared) : fs::path(TESSERA_SOURCE_DIR) / "../shared") /
              "data/en/librispeech_test_other";
    if (!fs::exists(folder_)) GTEST_SKIP() << folder_ << " is not there";
    ModelOptions options;
    options.precision = Precision::kF32;
    if (const char* models = std::getenv("TESSERA_MODELS")) {
      options.model = (fs::path(models) / "whisper-base").string();
    }
    const Result<Model> model = Model::Load(options);
    if (!model.ok() && model.status().code() == StatusCode::kNotFound) {
      GTEST_SKIP() << "whisper-base is not installed";
    }
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    Result<Transcriber> transcriber = Transcriber::Create(*model);
    ASSERT_TRUE(transcriber.ok());
    transcriber_ = std::make_unique<Transcriber>(std::move(transcriber).value());
  }

  // The ten files of a speaker one after the other, half a second of silence between them and 12 s
  // in the middle; their text to reference_.
  std::vector<float> Join(const std::string& speaker) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(speaker) && name.ends_with(".flac")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<float> samples;
    for (fs::path& file : files) {
      const Result<AudioClip> clip = DecodeFile(file.string());
      EXPECT_TRUE(clip.ok());
      std::vector<int16_t> piece(static_cast<size_t>(clip->num_samples()));
      EXPECT_TRUE(clip->Read(0, piece).ok());
      for (const int16_t x : piece) samples.push_back(static_cast<float>(x) / 32768);
      samples.resize(samples.size() + (file == files[4] ? 12 * kSampleRate : kSampleRate / 2));
      std::ifstream text(file.replace_extension(".txt"));
      reference_.append(std::istreambuf_iterator<char>(text), {}).append(" ");
    }
    return samples;
  }

  fs::path folder_;
  std::unique_ptr<Transcriber> transcriber_;
  std::string reference_;
};

TEST_F(BatchedSlowTest, TextIsAsGoodAsSequentialAndDoesNotDependOnTheBatch) {
  const std::vector<float> samples = Join("1688");
  const std::vector<std::string> reference = Words(reference_);
  ASSERT_GT(reference.size(), 150u);
  TranscribeOptions options;
  options.language = "en";
  options.mode = TranscribeMode::kSequential;
  const Result<Transcript> sequential = transcriber_->TranscribeSamples(samples, options);
  options.mode = TranscribeMode::kBatched;
  options.batch_size = 1;
  const Result<Transcript> one = transcriber_->TranscribeSamples(samples, options);
  options.batch_size = 8;
  const Result<Transcript> eight = transcriber_->TranscribeSamples(samples, options);
  ASSERT_TRUE(sequential.ok() && one.ok() && eight.ok());

  EXPECT_EQ(*one, *eight);
  // At most one word in a hundred more is wrong.
  const size_t sequential_errors = WordErrors(reference, Words(sequential->text));
  const size_t batched_errors = WordErrors(reference, Words(eight->text));
  EXPECT_LE(batched_errors, sequential_errors + reference.size() / 100) << eight->text;
  EXPECT_LE(batched_errors, reference.size() / 5) << eight->text;
  double last = 0;
  for (const Segment& segment : eight->segments) {
    EXPECT_GE(segment.start, last - 1e-6);
    EXPECT_GE(segment.end, segment.start);
    last = segment.end;
  }
  EXPECT_LE(last, eight->duration + 0.01);
}

// Files that share the stream, in two orders: each has the text it has alone.
TEST_F(BatchedSlowTest, FilesDoNotInfluenceEachOther) {
  std::vector<std::string> paths;
  for (const char* name : {"1998-15444-0002", "2033-164914-0001", "3080-5032-0003"}) {
    paths.push_back((folder_ / (std::string(name) + ".flac")).string());
  }
  paths.push_back("./no/such/file");
  TranscribeOptions options;
  options.mode = TranscribeMode::kBatched;
  std::vector<Transcript> alone;
  for (size_t i = 0; i < 3; ++i) {
    Result<Transcript> transcript = transcriber_->TranscribeFile(paths[i], options);
    ASSERT_TRUE(transcript.ok()) << transcript.status().ToString();
    EXPECT_FALSE(transcript->text.empty());
    alone.push_back(std::move(transcript).value());
  }
  for (const bool reversed : {false, true}) {
    std::vector<std::string> order = paths;
    if (reversed) std::reverse(order.begin(), order.end());
    std::vector<std::optional<Result<Transcript>>> found(4);
    BatchCallbacks callbacks;
    callbacks.on_transcript = [&](int index, Result<Transcript> transcript) {
      found[static_cast<size_t>(reversed ? 3 - index : index)] = std::move(transcript);
    };
    ASSERT_TRUE(transcriber_->TranscribeFiles(order, options, callbacks).ok());
    for (size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(found[i].has_value() && found[i]->ok());
      EXPECT_EQ(**found[i], alone[i]);
    }
    ASSERT_TRUE(found[3].has_value());
    EXPECT_EQ(found[3]->status().code(), StatusCode::kNotFound);
  }
}

}  // namespace
}  // namespace tessera
