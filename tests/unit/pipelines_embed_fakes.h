// A tokenizer and an encoder without weights: what a text becomes can be said in a line, and the
// encoder finds out when it is called in a way that its contract forbids.
#ifndef TESSERA_TESTS_UNIT_PIPELINES_EMBED_FAKES_H_
#define TESSERA_TESTS_UNIT_PIPELINES_EMBED_FAKES_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "pipelines/embed_encoder.h"
#include "text/text_tokenizer.h"

namespace tessera {

// 256, then the bytes, then 257.
class FakeTextTokenizer : public TextTokenizer {
 public:
  TokenizedText Encode(std::string_view text, int64_t max_tokens) const override {
    TokenizedText tokens;
    const auto room = static_cast<size_t>(max_tokens - 2);
    tokens.truncated = text.size() > room;
    tokens.ids.push_back(256);
    for (const char c : text.substr(0, room)) tokens.ids.push_back(static_cast<unsigned char>(c));
    tokens.ids.push_back(257);
    return tokens;
  }
  int64_t vocab_size() const override { return 258; }
  int64_t num_special_tokens() const override { return 2; }
};

inline constexpr int64_t kFakeWidth = 4;

// Row of token t of a text: its id, its place in the text, the text's length, the sum of its ids.
inline void FakeRows(std::span<const int32_t> ids, float* rows) {
  int64_t sum = 0;
  for (const int32_t id : ids) sum += id;
  for (size_t t = 0; t < ids.size(); ++t) {
    rows[t * kFakeWidth] = static_cast<float>(ids[t]);
    rows[t * kFakeWidth + 1] = static_cast<float>(t);
    rows[t * kFakeWidth + 2] = static_cast<float>(ids.size());
    rows[t * kFakeWidth + 3] = static_cast<float>(sum);
  }
}

// What all encoders of a test have in common.
struct FakeRuns {
  int64_t run_tokens = 1024;
  // Called in each run, before its result; may wait, or fail.
  std::function<Status(std::span<const int32_t> ids, int threads, const std::stop_token& stop)>
      on_run;
  std::atomic<int> running = 0, most_running = 0;
  std::atomic<int> runs = 0, wide_runs = 0, texts = 0, most_texts = 0;
  std::atomic<int64_t> most_tokens = 0;
};

class FakeEmbedEncoder : public EmbedEncoder {
 public:
  FakeEmbedEncoder(FakeRuns& runs, int threads) : runs_(runs), threads_(threads) {}

  Result<std::span<const float>> Run(std::span<const int32_t> ids, std::span<const int32_t> offsets,
                                     std::stop_token stop) override {
    EXPECT_FALSE(busy_.exchange(true)) << "one run at a time";
    Raise(runs_.most_running, runs_.running.fetch_add(threads_) + threads_);
    ++runs_.runs;
    if (threads_ > 1) ++runs_.wide_runs;
    const auto num_texts = static_cast<int>(offsets.size()) - 1;
    runs_.texts += num_texts;
    Raise(runs_.most_texts, num_texts);
    Raise(runs_.most_tokens, static_cast<int64_t>(ids.size()));
    EXPECT_GE(num_texts, 1);
    EXPECT_EQ(offsets.front(), 0);
    EXPECT_EQ(offsets.back(), static_cast<int32_t>(ids.size()));
    EXPECT_LE(static_cast<int64_t>(ids.size()), runs_.run_tokens);
    rows_.resize(ids.size() * kFakeWidth);
    for (int s = 0; s < num_texts; ++s) {
      EXPECT_LT(offsets[s], offsets[s + 1]);
      FakeRows(ids.subspan(offsets[s], offsets[s + 1] - offsets[s]),
               rows_.data() + offsets[s] * kFakeWidth);
    }
    const Status status = runs_.on_run ? runs_.on_run(ids, threads_, stop) : OkStatus();
    runs_.running -= threads_;
    busy_ = false;
    if (!status.ok()) return status;
    return std::span<const float>(rows_);
  }

 private:
  template <typename T>
  static void Raise(std::atomic<T>& most, T value) {
    T seen = most;
    while (value > seen && !most.compare_exchange_weak(seen, value)) {
    }
  }

  FakeRuns& runs_;
  const int threads_;
  std::atomic<bool> busy_ = false;
  std::vector<float> rows_;
};

inline NewEmbedEncoder FakeEncoders(FakeRuns& runs) {
  return [&runs](int threads) -> Result<std::unique_ptr<EmbedEncoder>> {
    return std::unique_ptr<EmbedEncoder>(std::make_unique<FakeEmbedEncoder>(runs, threads));
  };
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_PIPELINES_EMBED_FAKES_H_
