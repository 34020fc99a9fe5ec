#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "pipelines/token_search.h"
#include "pipelines/top_k.h"

namespace tessera {
namespace {

class BeamSearch : public TokenSearch {
 public:
  explicit BeamSearch(const BeamOptions& options) : options_(options), beams_(options.beam_size) {
    TESSERA_CHECK(options.beam_size >= 1);
    const double patience = options.patience.value_or(0) == 0 ? 1.0 : *options.patience;
    // Python's round(): half to even.
    max_finished_ =
        static_cast<size_t>(std::max(1.0, std::nearbyint(options.beam_size * patience)));
  }

  int num_rows() const override { return options_.beam_size; }
  std::span<const int> tokens(int row) const override { return beams_[row].tokens; }

  std::vector<int> LiveRows() const override {
    std::vector<int> rows(first_step_ ? 1 : beams_.size());
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }

  Advanced Advance(std::span<const std::span<const float>> logits) override {
    TESSERA_CHECK(logits.size() == (first_step_ ? 1 : beams_.size()));
    first_step_ = false;
    std::vector<Extension> extensions;
    for (size_t row = 0; row < logits.size(); ++row) {
      for (const ScoredToken& top : TopLogProbs(logits[row], options_.beam_size + 1)) {
        // f32 sums, as openai-whisper's.
        extensions.push_back({static_cast<int>(row), top.token,
                              beams_[row].sum_logprob + top.logprob, extensions.size()});
      }
    }
    // Best first; equals keep the order in which openai-whisper finds them.
    std::sort(extensions.begin(), extensions.end(), [](const Extension& a, const Extension& b) {
      return a.sum_logprob != b.sum_logprob ? a.sum_logprob > b.sum_logprob : a.order < b.order;
    });
    return Keep(extensions);
  }

  std::vector<TokenCandidate> Finalize() const override {
    std::vector<TokenCandidate> candidates = finished_;
    // Too few finished: the best unfinished beams fill up to beam_size (not to round(beam_size *
    // patience)). Of equals the later beam comes first, because openai-whisper reverses an
    // ascending sort.
    std::vector<int> order(beams_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [this](int a, int b) {
      const float sum_a = beams_[a].sum_logprob, sum_b = beams_[b].sum_logprob;
      return sum_a != sum_b ? sum_a > sum_b : a > b;
    });
    for (const int row : order) {
      if (candidates.size() >= beams_.size()) break;
      candidates.push_back({beams_[row].tokens, beams_[row].sum_logprob});
    }
    return candidates;
  }

 private:
  struct Beam {
    std::vector<int> tokens;
    float sum_logprob = 0;
  };
  struct Extension {
    int row = 0;
    int token = 0;
    float sum_logprob = 0;
    size_t order = 0;
  };

  // Takes the best extensions that go on as the new beams; sequences that end above the last of
  // them are finished.
  Advanced Keep(std::span<const Extension> extensions) {
    Advanced result;
    std::vector<Beam> beams;
    for (const Extension& extension : extensions) {
      const Beam& source = beams_[extension.row];
      if (extension.token == options_.eot) {
        if (finished_.size() < max_finished_) {
          finished_.push_back({source.tokens, extension.sum_logprob});
        }
        continue;
      }
      Beam& beam = beams.emplace_back(Beam{source.tokens, extension.sum_logprob});
      beam.tokens.push_back(extension.token);
      result.sources.push_back(extension.row);
      if (beams.size() == beams_.size()) break;
    }
    TESSERA_CHECK(beams.size() == beams_.size());  // beam_size is below the vocabulary size
    beams_ = std::move(beams);
    result.completed = finished_.size() >= max_finished_;
    return result;
  }

  BeamOptions options_;
  size_t max_finished_ = 1;
  bool first_step_ = true;
  std::vector<Beam> beams_;
  std::vector<TokenCandidate> finished_;
};

}  // namespace

std::unique_ptr<TokenSearch> MakeBeamSearch(const BeamOptions& options) {
  return std::make_unique<BeamSearch>(options);
}

}  // namespace tessera
