// Batched transcription on a session that says what a script tells it to, window by window.
#include "pipelines/batch_transcription.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <mutex>

#include "tests/unit/pipelines_fakes.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kEot = 50257;
constexpr int kGerman = 50261;

// Timestamp token of a time in seconds.
int At(double seconds) { return 50364 + static_cast<int>(std::lround(seconds * 50)); }

struct Script {
  std::vector<int> tokens;     // then end-of-text
  float height = 20;           // of the script's token over the others: its certainty
  float height_if_short = 20;  // on a shortened window
};

// Of recording `recording`, the window that begins with mel frame `begin`, decoded for the
// `attempt`-th time.
using ScriptFunction = std::function<Script(int recording, int64_t begin, int attempt)>;

// Its first two mel values say which recording and frame a window begins with (see MarkedMel).
class ScriptedSession : public WhisperSession {
 public:
  ScriptedSession(int max_windows, int max_rows, int num_encoders, ScriptFunction script)
      : num_encoders_(num_encoders),
        script_(std::move(script)),
        config_(FakeConfig(true)),
        places_(static_cast<size_t>(max_windows)),
        rows_(static_cast<size_t>(max_rows)) {}

  const WhisperConfig& config() const override { return config_; }
  int max_windows() const override { return static_cast<int>(places_.size()); }
  int max_rows() const override { return static_cast<int>(rows_.size()); }
  int num_encoders() const override { return num_encoders_; }
  Status Encode(const View& mel, int window, const EncodeOptions& options,
                std::stop_token) override {
    const float* values = static_cast<const float*>(mel.data);
    const int recording = static_cast<int>(values[0]);
    places_.at(static_cast<size_t>(window)) = {
        recording, static_cast<int64_t>(values[1]), options.positions > 0, {}};
    const std::lock_guard<std::mutex> lock(mutex_);
    ++num_encodes;
    positions[recording].push_back(options.positions);
    if (on_encode) on_encode();
    return OkStatus();
  }
  void BeginRow(int row, int window) override {
    Row& r = rows_.at(static_cast<size_t>(row));
    r = {window, {}, -1};
  }
  void ReorderRows(std::span<const int> targets, std::span<const int> sources) override {
    const std::vector<Row> former = rows_;
    for (size_t i = 0; i < targets.size(); ++i) {
      ASSERT_EQ(former.at(targets[i]).window, former.at(sources[i]).window);
      rows_.at(targets[i]) = former.at(sources[i]);
    }
  }
  Result<View> Decode(std::span<const TokenInput> tokens, std::stop_token stop) override {
    if (stop.stop_requested()) return Cancelled("stop");
    std::map<int, bool> windows;
    logits_.clear();
    int64_t count = 0;
    for (const TokenInput& input : tokens) {
      Row& row = rows_.at(static_cast<size_t>(input.row));
      Place& place = places_.at(static_cast<size_t>(row.window));
      windows[row.window] = true;
      if (input.position != static_cast<int>(row.history.size())) return Internal("gap");
      row.history.push_back(input.token);
      if (!input.want_logits) continue;
      ++count;
      std::vector<float> logits(static_cast<size_t>(config_.vocab_size));
      const auto sot = std::find(row.history.begin(), row.history.end(), 50258);
      const auto length = row.history.end() - sot;
      if (length == 1) {  // start-of-transcript: which language
        logits[kGerman] = place.is_short ? language_height_if_short : 20;
      } else {
        if (row.attempt < 0) {
          row.attempt = place.num_attempts++;
          if (row.attempt == 0) prompts.emplace_back(row.history.begin(), sot);
        }
        const Script script = script_(place.recording, place.begin, row.attempt);
        const size_t step = static_cast<size_t>(length) - 3;
        logits[step < script.tokens.size() ? static_cast<size_t>(script.tokens[step]) : kEot] =
            place.is_short ? script.height_if_short : script.height;
      }
      logits_.insert(logits_.end(), logits.begin(), logits.end());
    }
    most_windows = std::max(most_windows, windows.size());
    if (fail_decode) return Internal("the device is gone");
    return View{logits_.data(), DType::kF32, {count, config_.vocab_size}};
  }

  size_t most_windows = 0;  // in one step
  int num_encodes = 0;
  std::map<int, std::vector<int64_t>> positions;  // encoded, of each recording
  float language_height_if_short = 20;
  bool fail_decode = false;
  std::function<void()> on_encode;
  std::vector<std::vector<int>> prompts;  // what came before start-of-transcript, first attempts

 private:
  struct Place {
    int recording = 0;
    int64_t begin = 0;
    bool is_short = false;
    int num_attempts = 0;
  };
  struct Row {
    int window = 0;
    std::vector<int> history;
    int attempt = -1;
  };
  const int num_encoders_;
  std::mutex mutex_;
  ScriptFunction script_;
  WhisperConfig config_;
  std::vector<Place> places_;
  std::vector<Row> rows_;
  std::vector<float> logits_;
};

class MarkedMel : public MelSource {
 public:
  MarkedMel(int recording, int64_t content_frames, int64_t broken_from)
      : recording_(recording), content_frames_(content_frames), broken_from_(broken_from) {}
  int num_mels() const override { return 80; }
  int64_t content_frames() const override { return content_frames_; }
  Status Frames(int64_t begin, int64_t count, std::span<float> out) const override {
    if (begin >= broken_from_) return DataLoss("the disk is gone");
    EXPECT_LE(begin + count, content_frames_);
    std::fill(out.begin(), out.end(), 0.0f);
    out[0] = static_cast<float>(recording_);
    out[1] = static_cast<float>(begin);
    return OkStatus();
  }

 private:
  int recording_;
  int64_t content_frames_;
  int64_t broken_from_;
};

// Speech but for a pause of half a second at the end of every 20 s; silent recordings hold none.
class PausingDetector : public SpeechDetector {
 public:
  Result<std::vector<float>> Probabilities(const AudioClip& clip, int64_t begin, int64_t count,
                                           std::stop_token) override {
    int16_t first = 0;
    TESSERA_CHECK(clip.Read(0, {&first, 1}).ok());
    std::vector<float> p;
    for (int64_t i = begin; i < begin + count; i += kFrameSamples) {
      p.push_back(first != 0 && i % (20 * kSampleRate) < 19.5 * kSampleRate ? 0.95f : 0.02f);
    }
    return p;
  }
};

struct TestRecording {
  int seconds = 0;
  bool speech = true;
  Status open_status;
  int64_t broken_from = int64_t{1} << 40;  // mel frame
};

class BatchTest : public testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = InstalledTokenizer(true);
    if (tokenizer_ == nullptr) GTEST_SKIP() << "whisper-base is not installed";
    options_.language = "de";
    hello_ = tokenizer_->Encode(" hello").front();
  }

  // What every window says: "hello" and the number of its window, in one segment.
  std::vector<int> Line(int64_t begin, double end) const {
    std::vector<int> tokens = {At(0), hello_};
    for (const int token : tokenizer_->Encode(" " + std::to_string(begin))) tokens.push_back(token);
    tokens.push_back(At(end));
    return tokens;
  }

  Status Run(const std::vector<TestRecording>& recordings, ScriptFunction script,
             int batch_size = 4, int num_encoders = 1) {
    const Result<WindowOptions> options = WindowOptions::Create(options_, *tokenizer_);
    if (!options.ok()) return options.status();
    session_.emplace(batch_size, BatchScheduler::SessionOptions(*options, batch_size, 1).max_rows,
                     num_encoders, std::move(script));
    session_->fail_decode = fail_decode_;
    session_->language_height_if_short = language_height_if_short_;
    session_->on_encode = on_encode_;
    transcripts_.clear();
    transcripts_.resize(recordings.size());
    segments_.assign(recordings.size(), {});
    completed_.clear();
    BatchCallbacks callbacks;
    callbacks.on_segment = [&](int index, const Segment& segment) {
      segments_[static_cast<size_t>(index)].push_back(segment);
    };
    callbacks.on_language = [&](int index, std::string_view code, double probability) {
      languages_.push_back(std::to_string(index) + std::string(code));
      EXPECT_GT(probability, 0.9);
    };
    callbacks.on_transcript = [&](int index, Result<Transcript> transcript) {
      EXPECT_FALSE(transcripts_[static_cast<size_t>(index)].has_value());
      transcripts_[static_cast<size_t>(index)] = std::move(transcript);
      completed_.push_back(index);
    };
    double last_done = 0;
    callbacks.on_progress = [&](int done, int opened, double seconds, double total) {
      EXPECT_LE(done, opened);
      EXPECT_GE(seconds, last_done);
      EXPECT_LE(seconds, total + 1e-6);
      last_done = seconds;
    };
    BatchInput input;
    input.count = static_cast<int>(recordings.size());
    input.open = [&](int index) -> Result<BatchRecording> {
      const TestRecording& recording = recordings[static_cast<size_t>(index)];
      if (!recording.open_status.ok()) return recording.open_status;
      BatchRecording result;
      result.clip = AudioClip::FromSamples(
          std::vector<int16_t>(static_cast<size_t>(recording.seconds) * kSampleRate,
                               static_cast<int16_t>(recording.speech ? 1 : 0)));
      result.mel =
          std::make_unique<MarkedMel>(index, recording.seconds * 100, recording.broken_from);
      result.detector = std::make_unique<PausingDetector>();
      return result;
    };
    BatchTranscription batch(*tokenizer_, FakeConfig(true), *options, std::move(input), callbacks,
                             stop_.get_token());
    return batch.Run(*session_);
  }

  // Only a text that is cut off leaves speech behind.
  void EndTextsAfter(int num_tokens) {
    options_.sample_len = num_tokens;
    options_.temperatures = {0.0};
  }
  const Transcript& Of(size_t index) {
    EXPECT_TRUE(transcripts_[index].has_value() && transcripts_[index]->ok());
    return **transcripts_[index];
  }
  std::vector<std::string> Texts(size_t index) {
    std::vector<std::string> texts;
    for (const Segment& segment : Of(index).segments) texts.push_back(segment.text);
    return texts;
  }

  const WhisperTokenizer* tokenizer_ = nullptr;
  TranscribeOptions options_;
  int hello_ = 0;
  std::stop_source stop_;
  bool fail_decode_ = false;
  float language_height_if_short_ = 20;
  std::function<void()> on_encode_;
  std::optional<ScriptedSession> session_;
  std::vector<std::optional<Result<Transcript>>> transcripts_;
  std::vector<std::vector<Segment>> segments_;
  std::vector<int> completed_;
  std::vector<std::string> languages_;
};

TEST_F(BatchTest, GivesTheSegmentsOfAllFilesInOrder) {
  // The first windows say most and end last.
  const auto script = [&](int, int64_t begin, int) {
    Script script{Line(begin, 19.0)};
    script.tokens.insert(script.tokens.begin() + 1, static_cast<size_t>(begin < 1000 ? 40 : 1),
                         hello_);
    return script;
  };
  options_.compression_ratio_threshold.reset();
  ASSERT_TRUE(Run({{100}, {40}, {10}}, script).ok());
  EXPECT_EQ(session_->most_windows, 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(segments_[i], Of(i).segments);
  ASSERT_EQ(Of(0).segments.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const Segment& segment = Of(0).segments[i];
    EXPECT_EQ(segment.id, static_cast<int64_t>(i));
    EXPECT_NEAR(segment.start, 20.0 * static_cast<double>(i), 0.6);
    EXPECT_NEAR(segment.end, segment.start + 19, 1e-6);
  }
  EXPECT_EQ(Of(1).segments.size(), 2u);
  EXPECT_EQ(Texts(2).size(), 1u);
  EXPECT_EQ(Of(0).duration, 100);
  EXPECT_THAT(Of(0).text, HasSubstr("hello"));
  EXPECT_EQ(Of(0).language, "de");
}

TEST_F(BatchTest, FailedThresholdsGoUpTheTemperaturesWhileOthersGoOn) {
  options_.best_of = 3;
  options_.temperatures = {0.0, 0.4, 0.8};
  options_.sample_len = 10;
  // The second window is sure of itself at the third attempt only; the fourth one never.
  const auto script = [&](int, int64_t begin, int attempt) {
    const int64_t number = (begin + 100) / 2000;
    Script script{Line(begin, 19.0)};
    if ((number == 1 && attempt < 2) || number == 3) script.height = 4;
    return script;
  };
  for (const int batch_size : {1, 2, 4}) {
    ASSERT_TRUE(Run({{100}}, script, batch_size).ok());
    std::vector<double> temperatures;
    for (const Segment& segment : Of(0).segments) temperatures.push_back(segment.temperature);
    ASSERT_GE(temperatures.size(), 5u);
    EXPECT_EQ(temperatures[0], 0.0);
    EXPECT_EQ(temperatures[1], 0.8);
    EXPECT_THAT(Texts(0)[1], HasSubstr(" hello 19"));
    EXPECT_EQ(temperatures[2], 0.0);
    EXPECT_EQ(temperatures[3], 0.8);
    EXPECT_EQ(temperatures.back(), 0.0);
  }
}

TEST_F(BatchTest, TheResultDoesNotDependOnTheCompany) {
  options_.best_of = 2;
  options_.temperatures = {0.0, 0.5, 1.0};
  options_.sample_len = 10;
  // Unsure everywhere: what is sampled is decided by the seed of window and attempt.
  const auto script = [&](int recording, int64_t begin, int) {
    return Script{Line(begin + recording % 2, 19.0), begin % 3 == 0 ? 20.0f : 7.0f};
  };
  const std::vector<TestRecording> files = {{90}, {25}, {61}, {130}};
  ASSERT_TRUE(Run(files, script, 1).ok());
  std::vector<Transcript> alone;
  for (size_t i = 0; i < files.size(); ++i) alone.push_back(Of(i));
  for (const int batch_size : {2, 8}) {
    for (const int encoders : {1, 2, 5}) {
      if (encoders > batch_size) continue;
      ASSERT_TRUE(Run(files, script, batch_size, encoders).ok());
      for (size_t i = 0; i < files.size(); ++i)
        EXPECT_EQ(Of(i), alone[i]) << batch_size << " windows, " << encoders << " encoders";
    }
  }
}

TEST_F(BatchTest, ShortWindowsInDoubtAreHadAgainAsAWhole) {
  options_.exact = false;
  options_.temperatures = {0.0, 1.0};
  options_.sample_len = 10;
  const std::vector<TestRecording> files = {{10}, {12}, {9}, {19}};
  const auto script = [&](int recording, int64_t begin, int) {
    Script script{Line(begin, files[static_cast<size_t>(recording)].seconds - 0.2)};
    if (recording == 1) script.height_if_short = 9.2f;  // an average log-probability of -0.75
    if (recording == 2) script.height = script.height_if_short = 4;  // goes up the temperatures
    return script;
  };
  for (const int encoders : {1, 2}) {
    ASSERT_TRUE(Run(files, script, 4, encoders).ok());
    EXPECT_THAT(session_->positions[0], ElementsAre(750));
    EXPECT_THAT(session_->positions[1], ElementsAre(850, 0));
    ASSERT_GE(session_->positions[2].size(), 2u);  // what was sampled may leave a rest
    EXPECT_EQ(session_->positions[2][0], 700);
    EXPECT_EQ(session_->positions[2][1], 0);
    EXPECT_THAT(session_->positions[3], ElementsAre(0));  // would save too little
    EXPECT_THAT(Texts(1), ElementsAre(" hello 0"));
    EXPECT_GT(Of(1).segments[0].avg_logprob, -0.1);  // of the whole window
    EXPECT_EQ(Of(1).segments[0].temperature, 0.0);
    ASSERT_FALSE(Of(2).segments.empty());
    EXPECT_EQ(Of(2).segments[0].temperature, 1.0);
  }
  options_.exact = true;
  ASSERT_TRUE(Run(files, script).ok());
  for (const auto& [recording, positions] : session_->positions) {
    EXPECT_THAT(positions, Each(0)) << recording;
  }
}

TEST_F(BatchTest, EveryEncoderShortens) {
  options_.exact = false;
  options_.temperatures = {0.0};
  options_.logprob_threshold = -0.02;  // stricter than what a short window is asked for otherwise
  const auto script = [&](int recording, int64_t begin, int) {
    Script script{Line(begin, 9.8)};
    if (recording == 5) script.height_if_short = 12;
    return script;
  };
  ASSERT_TRUE(Run(std::vector<TestRecording>(24, TestRecording{10}), script, 8, 4).ok());
  for (const auto& [recording, positions] : session_->positions) {
    if (recording == 5) {
      EXPECT_THAT(positions, ElementsAre(750, 0));
    } else {
      EXPECT_THAT(positions, ElementsAre(750)) << recording;
    }
  }
}

TEST_F(BatchTest, ADoubtfulLanguageIsHeardInTheWholeWindow) {
  options_.exact = false;
  options_.language.clear();
  language_height_if_short_ = 3;  // of 99 languages: a probability of 0.17
  ASSERT_TRUE(Run({{10}}, [&](int, int64_t begin, int) { return Script{Line(begin, 9.8)}; }).ok());
  EXPECT_THAT(session_->positions[0], ElementsAre(750, 0));
  EXPECT_THAT(languages_, ElementsAre("0de"));
  EXPECT_EQ(Texts(0).size(), 1u);
}

TEST_F(BatchTest, WhatATextLeavesOutIsDecodedAgain) {
  EndTextsAfter(6);
  const auto script = [&](int, int64_t begin, int) -> Script {
    if (begin > 100) return {Line(begin, 2.0)};
    // An unfinished segment from 8 s on; its text is not used.
    std::vector<int> tokens = Line(begin, 8.0);
    tokens.insert(tokens.end(), {At(8.0), hello_, hello_});
    return {tokens};
  };
  ASSERT_TRUE(Run({{18}}, script).ok());
  // 8 s; from there 2 s at a time, as long as at least a second of speech is left.
  EXPECT_THAT(Texts(0), ElementsAre(" hello 0", " hello 800", " hello 1000", " hello 1200",
                                    " hello 1400", " hello 1600"));
  EXPECT_DOUBLE_EQ(Of(0).segments[1].start, 8.0);
  EXPECT_DOUBLE_EQ(Of(0).segments.back().end, 18.0);
  EXPECT_EQ(session_->num_encodes, 6);
  std::vector<int> prompt = Line(0, 8.0);
  prompt.insert(prompt.begin(), tokenizer_->sot_prev());
  EXPECT_EQ(session_->prompts.at(0), std::vector<int>());
  EXPECT_EQ(session_->prompts.at(1), prompt);
}

TEST_F(BatchTest, TimesStayInsideTheWindow) {
  ASSERT_TRUE(Run({{5}}, [&](int, int64_t begin, int) { return Script{Line(begin, 29.0)}; }).ok());
  ASSERT_EQ(Of(0).segments.size(), 1u);
  EXPECT_EQ(Of(0).segments[0].end, 5.0);
}

TEST_F(BatchTest, RestsEnd) {
  EndTextsAfter(6);
  // Would go on for ever, one and a half seconds at a time.
  const auto script = [&](int, int64_t begin, int) {
    std::vector<int> tokens = Line(begin, 1.5);
    tokens.insert(tokens.end(), {At(1.5), hello_});
    return Script{tokens};
  };
  ASSERT_TRUE(Run({{29}}, script).ok());
  EXPECT_EQ(session_->num_encodes, 9);
}

TEST_F(BatchTest, SilentRecordingsAreNotDecoded) {
  options_.language.clear();
  ASSERT_TRUE(Run({{50, false}, {5}, {0}}, [&](int, int64_t begin, int) {
                return Script{Line(begin, 4.5)};
              }).ok());
  EXPECT_EQ(session_->num_encodes, 1);
  EXPECT_THAT(Of(0).segments, IsEmpty());
  EXPECT_EQ(Of(0).duration, 50);
  EXPECT_EQ(Of(1).language, "de");
  EXPECT_EQ(Of(1).language_probs.front().first, "de");
  EXPECT_THAT(Texts(1), ElementsAre(" hello 0"));
  EXPECT_THAT(languages_, ElementsAre("1de"));
}

TEST_F(BatchTest, ALanguageIsDetectedOncePerFile) {
  options_.language.clear();
  ASSERT_TRUE(
      Run({{100}, {45}}, [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; }).ok());
  EXPECT_THAT(languages_, ElementsAre("0de", "1de"));
  EXPECT_EQ(Of(0).segments.size(), 5u);
}

TEST_F(BatchTest, ABadFileDoesNotDisturbTheOthers) {
  std::vector<TestRecording> files = {{50}, {.open_status = NotFound("no such file")}, {70}, {19}};
  files[2].broken_from = 3000;
  for (const int encoders : {1, 3}) {
    const auto script = [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; };
    ASSERT_TRUE(Run(files, script, 4, encoders).ok());
    EXPECT_EQ(transcripts_[1]->status().code(), StatusCode::kNotFound);
    EXPECT_EQ(transcripts_[2]->status().code(), StatusCode::kDataLoss);
    EXPECT_EQ(Of(0).segments.size(), 3u);
    EXPECT_EQ(Of(3).segments.size(), 1u);
    EXPECT_EQ(completed_.size(), 4u);
  }
}

TEST_F(BatchTest, AStopKeepsWhatIsInOrder) {
  int encodes = 0;
  on_encode_ = [&] {
    if (++encodes == 7) stop_.request_stop();
  };
  ASSERT_TRUE(Run(
                  {{60}, {200}, {60}},
                  [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; }, 2)
                  .ok());
  EXPECT_FALSE(Of(0).cancelled);
  EXPECT_EQ(Of(0).segments.size(), 3u);
  EXPECT_TRUE(Of(1).cancelled);
  EXPECT_EQ(Of(1).segments.size(), 2u);
  EXPECT_EQ(segments_[1], Of(1).segments);
  EXPECT_FALSE(transcripts_[2].has_value());  // never opened
}

// When a stop comes is up to the threads; that the work ends, and with whole segments, is not.
TEST_F(BatchTest, AStopEndsAllEncoders) {
  for (int at = 1; at < 12; ++at) {
    stop_ = {};
    int encodes = 0;
    on_encode_ = [&] {
      if (++encodes == at) stop_.request_stop();
    };
    const auto script = [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; };
    ASSERT_TRUE(Run({{60}, {200}, {60}}, script, 4, 3).ok());
    for (size_t i = 0; i < 3; ++i)
      if (transcripts_[i].has_value()) EXPECT_EQ(segments_[i], Of(i).segments);
    EXPECT_LT(encodes, at + 4);
  }
}

TEST_F(BatchTest, AnErrorOfTheSessionEndsAll) {
  fail_decode_ = true;
  const Status status =
      Run({{60}, {60}}, [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; });
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(transcripts_[0]->status().code(), StatusCode::kInternal);
}

TEST_F(BatchTest, AnInitialPromptGoesBeforeEveryWindow) {
  options_.initial_prompt = "Tessera";
  ASSERT_TRUE(Run({{60}}, [&](int, int64_t begin, int) { return Script{Line(begin, 19.2)}; }).ok());
  EXPECT_EQ(Of(0).segments.size(), 3u);
  std::vector<int> prompt = tokenizer_->Encode(" Tessera");
  prompt.insert(prompt.begin(), tokenizer_->sot_prev());
  EXPECT_THAT(session_->prompts, ElementsAre(prompt, prompt, prompt));
}

TEST_F(BatchTest, RefusesABatchSizeOutOfRange) {
  options_.batch_size = 0;
  EXPECT_THAT(Run({{1}}, nullptr).message(), HasSubstr("batch_size"));
  options_.batch_size = 65;
  EXPECT_THAT(Run({{1}}, nullptr).message(), HasSubstr("batch_size"));
}

}  // namespace
}  // namespace tessera
