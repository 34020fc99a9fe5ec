#include <algorithm>

#include "base/check.h"
#include "pipelines/log_softmax.h"
#include "pipelines/token_sampler.h"
#include "pipelines/token_search.h"

namespace tessera {
namespace {

class SamplingSearch : public TokenSearch {
 public:
  explicit SamplingSearch(const SamplingOptions& options)
      : options_(options), rows_(options.num_rows) {
    TESSERA_CHECK(options.num_rows >= 1);
  }

  int num_rows() const override { return options_.num_rows; }
  std::span<const int> tokens(int row) const override { return rows_[row].tokens; }

  std::vector<int> LiveRows() const override {
    if (step_ == 0) return {0};
    std::vector<int> live;
    for (int row = 0; row < num_rows(); ++row) {
      if (!rows_[row].ended) live.push_back(row);
    }
    return live;
  }

  Advanced Advance(std::span<const std::span<const float>> logits) override {
    Advanced result;
    if (step_ == 0) {
      TESSERA_CHECK(logits.size() == 1);
      for (int row = 0; row < num_rows(); ++row) Extend(row, logits[0]);
      if (num_rows() > 1) result.sources.assign(rows_.size(), 0);
    } else {
      const std::vector<int> live = LiveRows();
      TESSERA_CHECK(logits.size() == live.size());
      for (size_t i = 0; i < live.size(); ++i) Extend(live[i], logits[i]);
    }
    ++step_;
    result.completed =
        std::all_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.ended; });
    return result;
  }

  std::vector<TokenCandidate> Finalize() const override {
    std::vector<TokenCandidate> candidates;
    for (const Row& row : rows_) {
      TokenCandidate candidate{row.tokens, row.sum_logprob};
      if (row.ended) candidate.tokens.pop_back();
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

 private:
  struct Row {
    std::vector<int> tokens;
    float sum_logprob = 0;  // f32, as openai-whisper adds
    bool ended = false;
  };

  void Extend(int index, std::span<const float> logits) {
    Row& row = rows_[index];
    const int token = options_.temperature == 0
                          ? static_cast<int>(ArgMax(logits))
                          : SampleToken(logits, options_.temperature,
                                        CounterUniform(options_.seed, index, step_));
    row.sum_logprob += MakeLogNormalizer(logits).LogProb(logits[token]);
    row.tokens.push_back(token);
    row.ended = token == options_.eot;
  }

  SamplingOptions options_;
  std::vector<Row> rows_;
  uint64_t step_ = 0;
};

}  // namespace

std::unique_ptr<TokenSearch> MakeSamplingSearch(const SamplingOptions& options) {
  return std::make_unique<SamplingSearch>(options);
}

}  // namespace tessera
