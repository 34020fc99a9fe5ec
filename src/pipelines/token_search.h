// Searches for the token sequence of one window: greedy or sampled (with best-of groups), and beam
// search.
//
// A search owns the sampled tokens of its rows. At each step the caller computes one row of logits
// for every row named by LiveRows(), filters it and calls Advance; where that answers with
// `sources`, the decoder's histories must follow before the next step. All rows start equal, so the
// first step needs the logits of row 0 alone. Semantics, ties included, are those of openai-whisper
// 20250625 (GreedyDecoder, BeamSearchDecoder, MaximumLikelihoodRanker) on torch's CPU backend.
// Thread-compatible.
#ifndef TESSERA_PIPELINES_TOKEN_SEARCH_H_
#define TESSERA_PIPELINES_TOKEN_SEARCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace tessera {

struct TokenCandidate {
  std::vector<int> tokens;  // sampled tokens without end-of-text
  double sum_logprob = 0;   // untempered, with the end-of-text term where it was sampled
};

class TokenSearch {
 public:
  struct Advanced {
    bool completed = false;
    // Where not empty: row r now continues the former row sources[r]; [num_rows].
    std::vector<int> sources;
  };

  virtual ~TokenSearch() = default;

  virtual int num_rows() const = 0;
  // Tokens that `row` sampled so far, end-of-text included.
  virtual std::span<const int> tokens(int row) const = 0;
  // Rows whose logits the next Advance takes, ascending.
  virtual std::vector<int> LiveRows() const = 0;
  // `logits[i]` is the filtered f32 [vocab_size] row of LiveRows()[i]. Not after `completed`.
  virtual Advanced Advance(std::span<const std::span<const float>> logits) = 0;
  // All candidates, finished ones first; at least one.
  virtual std::vector<TokenCandidate> Finalize() const = 0;
};

struct SamplingOptions {
  double temperature = 0;  // 0: the most probable token
  int num_rows = 1;        // best-of group
  int eot = 0;
  uint64_t seed = 0;  // key of the random numbers, see token_sampler.h
};
std::unique_ptr<TokenSearch> MakeSamplingSearch(const SamplingOptions& options);

struct BeamOptions {
  int beam_size = 5;               // below the vocabulary size
  std::optional<double> patience;  // 1 unless set (or 0, as openai-whisper reads it)
  int eot = 0;
};
std::unique_ptr<TokenSearch> MakeBeamSearch(const BeamOptions& options);

// Index of the best candidate: highest sum_logprob / length, or with `length_penalty` alpha / ((5 +
// length) / 6)^alpha; the first of equals. A candidate without tokens has no mean and loses to
// every other.
size_t RankCandidates(std::span<const TokenCandidate> candidates,
                      std::optional<double> length_penalty);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TOKEN_SEARCH_H_
