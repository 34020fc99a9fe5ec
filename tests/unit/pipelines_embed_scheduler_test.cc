// Calls of one and of many threads through the embedding scheduler, on an encoder without weights.
#include "pipelines/embed_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <future>
#include <latch>
#include <random>
#include <semaphore>

#include "pipelines_embed_fakes.h"

namespace tessera {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr int64_t kMaxTokens = 100;

EmbedPlan MeanPlan() {
  return {.pooling = EmbedPooling::kMean,
          .normalize = false,
          .dimensions = kFakeWidth,
          .max_tokens = kMaxTokens};
}

std::vector<std::string> RandomTexts(size_t count, size_t longest, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    text.resize(random() % (longest + 1));
    for (char& c : text) c = static_cast<char>('a' + random() % 26);
  }
  return texts;
}

std::vector<float> Expected(const std::string& text) {
  const std::vector<int32_t> ids = FakeTextTokenizer().Encode(text, kMaxTokens).ids;
  std::vector<float> rows(ids.size() * kFakeWidth), vector(kFakeWidth);
  FakeRows(ids, rows.data());
  PoolTokens(MeanPlan(), rows, kFakeWidth, vector);
  return vector;
}

class EmbedSchedulerTest : public ::testing::Test {
 protected:
  EmbedScheduler& Start(int num_lanes) {
    scheduler_.emplace(tokenizer_, EmbedModelShape{kFakeWidth, runs_.run_tokens},
                       FakeEncoders(runs_), num_lanes);
    return *scheduler_;
  }
  Result<Embeddings> Embed(const std::vector<std::string>& texts, std::stop_token stop = {}) {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    EmbedJob job(MeanPlan(), views, std::move(stop));
    TESSERA_RETURN_IF_ERROR(scheduler_->Run(job));
    return job.TakeResult();
  }
  void ExpectRight(const std::vector<std::string>& texts, const Result<Embeddings>& result) {
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    ASSERT_EQ(result->num_tokens.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      ASSERT_THAT(result->vector(i), ElementsAreArray(Expected(texts[i]))) << i;
      ASSERT_EQ(result->num_tokens[i],
                std::min<int64_t>(static_cast<int64_t>(texts[i].size()) + 2, kMaxTokens));
      ASSERT_EQ(result->truncated[i], texts[i].size() > kMaxTokens - 2);
    }
  }

  const FakeTextTokenizer tokenizer_;
  FakeRuns runs_;
  std::optional<EmbedScheduler> scheduler_;
};

TEST_F(EmbedSchedulerTest, VectorsComeInTheOrderOfTheTexts) {
  for (const int lanes : {1, 2, 5}) {
    Start(lanes);
    auto texts = RandomTexts(2000, 130, 1);
    texts[3] = texts[1999] = texts[77];  // occurs three times
    texts[4] = "";
    ExpectRight(texts, Embed(texts));
    EXPECT_LE(runs_.most_running, lanes);
    EXPECT_LT(runs_.most_tokens, EmbedScheduler::kBatchTokens + kMaxTokens);
    EXPECT_GT(runs_.most_texts, 4);
  }
  ExpectRight({}, Embed({}));
}

TEST_F(EmbedSchedulerTest, AnEqualTextIsRunOnce) {
  Start(2);
  std::vector<std::string> texts(500, "the same");
  texts[7] = "another!";
  ExpectRight(texts, Embed(texts));
  EXPECT_EQ(runs_.texts, 2);
}

TEST_F(EmbedSchedulerTest, WhatDoesNotFitIntoTheRunWaitsForTheNext) {
  runs_.run_tokens = kMaxTokens;  // one longest text
  Start(1);
  const auto texts = RandomTexts(300, 130, 2);
  ExpectRight(texts, Embed(texts));
  EXPECT_GT(runs_.most_texts, 1);
}

TEST_F(EmbedSchedulerTest, ALittleTextAloneTakesAllThreadsAndMuchTextTakesOneEach) {
  Start(3);
  ExpectRight({"a question"}, Embed({"a question"}));
  EXPECT_EQ(runs_.wide_runs, 1);
  EXPECT_EQ(runs_.runs, 1);
  const auto texts = RandomTexts(500, 90, 3);
  ExpectRight(texts, Embed(texts));
  EXPECT_EQ(runs_.wide_runs, 1);
}

TEST(EmbedTeamChoiceTest, TriesBothAndTakesTheFasterAndAsksAgain) {
  EmbedTeamChoice choice;
  bool all_is_faster = false;
  int used_all = 0;
  const auto calls = [&](int count) {
    used_all = 0;
    for (int i = 0; i < count; ++i) {
      const bool all = choice.UseAll(20);
      used_all += all ? 1 : 0;
      // The first call of each side takes long.
      choice.Record(20, all, i == 0 ? 100 : all == all_is_faster ? 1 : 2);
    }
  };
  calls(2 * EmbedTeamChoice::kTrials);
  EXPECT_EQ(used_all, EmbedTeamChoice::kTrials);
  calls(EmbedTeamChoice::kAskAgain - 1);
  EXPECT_EQ(used_all, 0);
  calls(1);
  EXPECT_EQ(used_all, 1);
  // Another program came, and waiting for each other pays no more, or does.
  all_is_faster = true;
  calls(100);
  calls(EmbedTeamChoice::kAskAgain);
  EXPECT_EQ(used_all, EmbedTeamChoice::kAskAgain - 1);
  // Other sizes are other questions.
  EXPECT_TRUE(choice.UseAll(200));
  choice.Record(int64_t{1} << 40, true, 1);
}

TEST_F(EmbedSchedulerTest, ShortCallsTryBothWays) {
  Start(2);
  for (int i = 0; i < 2 * EmbedTeamChoice::kTrials; ++i)
    ExpectRight({"a question"}, Embed({"a question"}));
  EXPECT_EQ(runs_.wide_runs, EmbedTeamChoice::kTrials);
}

TEST_F(EmbedSchedulerTest, ALongListKeepsAllLanesBusy) {
  constexpr int kLanes = 3;
  // The first runs end only when all lanes have begun one.
  std::latch all(kLanes);
  std::atomic<int> first = kLanes;
  runs_.on_run = [&](auto, int, auto&) {
    if (first.fetch_sub(1) > 0) all.arrive_and_wait();
    return OkStatus();
  };
  Start(kLanes);
  const auto texts = RandomTexts(1000, 90, 4);
  ExpectRight(texts, Embed(texts));
  EXPECT_EQ(runs_.most_running, kLanes);
}

TEST_F(EmbedSchedulerTest, CallsOfManyThreadsShareBatchesAndGetTheirOwnVectors) {
  constexpr int kThreads = 8;
  Start(2);
  std::atomic<int> calls = 0;
  // The first run goes on when every thread has made its call, so the next finds many.
  std::binary_semaphore go(0);
  std::atomic<bool> waited = false;
  runs_.on_run = [&](auto, int, auto&) {
    if (!waited.exchange(true)) go.acquire();
    return OkStatus();
  };
  std::vector<std::future<void>> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.push_back(std::async(std::launch::async, [&, t] {
      if (++calls == kThreads) go.release();
      for (int i = 0; i < 50; ++i) {
        const auto texts = RandomTexts(1 + i % 3, 40, static_cast<uint32_t>(1000 * t + i));
        ExpectRight(texts, Embed(texts));
      }
    }));
  }
  for (auto& thread : threads) thread.get();
  EXPECT_LE(runs_.most_running, 2);
  EXPECT_GT(runs_.most_texts, 3) << "no call has more than 3 texts";
}

TEST_F(EmbedSchedulerTest, AShortCallDoesNotWaitForALongOne) {
  Start(1);
  std::counting_semaphore<> permits(0);
  std::latch begun(1);
  std::atomic<bool> first = true;
  runs_.on_run = [&](auto, int, auto&) {
    if (first.exchange(false)) begun.count_down();
    permits.acquire();
    return OkStatus();
  };
  const auto many = RandomTexts(2000, 90, 5);
  auto long_call = std::async(std::launch::async, [&] { ExpectRight(many, Embed(many)); });
  begun.wait();
  auto short_call = std::async(std::launch::async, [&] { ExpectRight({"?"}, Embed({"?"})); });
  // Its texts are the next but for a batch or two.
  int released = 0;
  while (short_call.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    permits.release();
    ++released;
    ASSERT_LT(released, 400);
  }
  short_call.get();
  EXPECT_NE(long_call.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  permits.release(1000);
  long_call.get();
}

TEST_F(EmbedSchedulerTest, AStopEndsItsOwnCallOnly) {
  Start(2);
  std::counting_semaphore<> permits(0);
  std::latch begun(1);
  std::atomic<bool> first = true;
  runs_.on_run = [&](auto, int, const std::stop_token& stop) -> Status {
    if (first.exchange(false)) begun.count_down();
    while (!permits.try_acquire_for(std::chrono::milliseconds(1))) {
      if (stop.stop_requested()) return Cancelled("stopped");
    }
    return OkStatus();
  };
  std::stop_source stop;
  const auto texts = RandomTexts(1000, 90, 6);
  auto stopped = std::async(std::launch::async, [&] { return Embed(texts, stop.get_token()); });
  begun.wait();
  auto kept = std::async(std::launch::async, [&] { return Embed(texts); });
  stop.request_stop();
  // A batch that it shares goes on, so that the other call has its texts.
  while (stopped.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready)
    permits.release();
  permits.release(10000);
  EXPECT_EQ(stopped.get().status().code(), StatusCode::kCancelled);
  ExpectRight(texts, kept.get());

  std::stop_source already;
  already.request_stop();
  EXPECT_EQ(Embed({"x"}, already.get_token()).status().code(), StatusCode::kCancelled);
  ExpectRight({"y"}, Embed({"y"}));
}

TEST_F(EmbedSchedulerTest, AFailureReachesTheCallAndTheNextOneRuns) {
  Start(2);
  std::atomic<int> runs = 0;
  runs_.on_run = [&](auto, int, auto&) {
    return ++runs == 3 ? Internal("the encoder broke") : OkStatus();
  };
  const auto texts = RandomTexts(1000, 90, 7);
  const auto failed = Embed(texts);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.status().message(), HasSubstr("broke"));
  ExpectRight(texts, Embed(texts));
}

TEST_F(EmbedSchedulerTest, AnEncoderThatCannotBeMadeIsAnErrorOfTheCall) {
  std::atomic<bool> works = false;
  scheduler_.emplace(
      tokenizer_, EmbedModelShape{kFakeWidth, runs_.run_tokens},
      [&](int threads) -> Result<std::unique_ptr<EmbedEncoder>> {
        if (!works) return ResourceExhausted("no memory for a session");
        return FakeEncoders(runs_)(threads);
      },
      2);
  EXPECT_EQ(Embed({"x"}).status().code(), StatusCode::kResourceExhausted);
  works = true;
  ExpectRight({"x"}, Embed({"x"}));
}

}  // namespace
}  // namespace tessera
