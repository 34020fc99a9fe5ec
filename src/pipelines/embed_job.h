// One Embed call as the scheduler sees it: its distinct texts, longest first, and where the results
// go.
#ifndef TESSERA_PIPELINES_EMBED_JOB_H_
#define TESSERA_PIPELINES_EMBED_JOB_H_

#include <condition_variable>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/embed_plan.h"
#include "tessera/embed.h"

namespace tessera {

class EmbedJob {
 public:
  // The texts must outlive the job. At most 2^32 - 1 texts.
  EmbedJob(EmbedPlan plan, std::span<const std::string_view> texts, std::stop_token stop);
  EmbedJob(const EmbedJob&) = delete;
  EmbedJob& operator=(const EmbedJob&) = delete;

  const EmbedPlan& plan() const { return plan_; }
  const std::stop_token& stop() const { return stop_; }
  std::string_view text(size_t index) const { return texts_[index]; }

  // Results of the texts of different indices may be set by different threads at a time.
  std::span<float> vector(size_t index) {
    return std::span(result_.values).subspan(index * result_.dimensions, result_.dimensions);
  }
  void SetTokens(size_t index, int32_t num_tokens, bool truncated) {
    result_.num_tokens[index] = num_tokens;
    truncated_[index] = truncated ? 1 : 0;
  }
  // Once, when all texts are done: with the vectors of texts that occur again.
  Embeddings TakeResult();

 private:
  friend class EmbedScheduler;

  const EmbedPlan plan_;
  const std::span<const std::string_view> texts_;
  const std::stop_token stop_;
  Embeddings result_;
  std::vector<uint8_t> truncated_;
  std::vector<uint32_t> order_;                          // of the texts to run
  std::vector<std::pair<uint32_t, uint32_t>> repeated_;  // index, index of an equal text in order_

  // Below: guarded by the scheduler's mutex.
  size_t next_ = 0;       // order_[next_] is the first that nobody has taken
  size_t in_flight_ = 0;  // texts taken and not done
  Status status_;
  int64_t untaken_tokens_ = 0;  // about
  // When it is finished, or when the waiting caller is to work on it.
  std::condition_variable_any changed_;

  bool AllTaken() const { return next_ == order_.size(); }
  bool Finished() const { return AllTaken() && in_flight_ == 0; }
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_EMBED_JOB_H_
