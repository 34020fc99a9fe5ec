// EmbedScheduler: the texts of all Embed calls of a model, worked off by as many lanes as there are
// threads.
//
// A lane takes texts, one at a time and from the waiting calls in turn, until it has a batch; it
// tokenises them, packs their tokens one behind the other, runs the encoder on one thread and
// pools. So lanes never wait for each other, and every core is busy until nothing is left; towards
// the end batches become smaller, so that lanes end together. A call that finds a free lane works
// on it itself; helper threads, started when there is something for them to do, take the others. A
// little text alone may run on all threads at once instead, where that is faster.
//
// Which texts share a batch is a matter of chance, so the encoder must not let one change another's
// bits.
#ifndef TESSERA_PIPELINES_EMBED_SCHEDULER_H_
#define TESSERA_PIPELINES_EMBED_SCHEDULER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/embed_encoder.h"
#include "pipelines/embed_job.h"
#include "pipelines/embed_team_choice.h"
#include "text/text_tokenizer.h"

namespace tessera {

class EmbedScheduler {
 public:
  // Tokens of a batch, when there are many: enough to pay for reading the weights, few enough for
  // what they become to stay in a core's cache.
  static constexpr int64_t kBatchTokens = 512;
  // Not worth another thread's while.
  static constexpr int64_t kLeastBatchTokens = 64;
  // A call of fewer tokens, alone, may run on all threads at once.
  static constexpr int64_t kWideTokens = 256;

  // The tokenizer must outlive the scheduler. num_lanes > 0.
  EmbedScheduler(const TextTokenizer& tokenizer, const EmbedModelShape& shape,
                 NewEmbedEncoder new_encoder, int num_lanes);
  // No call may be running.
  ~EmbedScheduler();
  EmbedScheduler(const EmbedScheduler&) = delete;
  EmbedScheduler& operator=(const EmbedScheduler&) = delete;

  // Returns when all texts are done, or with the first error, or with cancelled after a stop
  // request. Thread-safe.
  Status Run(EmbedJob& job);

 private:
  struct Item {
    EmbedJob* job = nullptr;
    uint32_t index = 0;  // of the text
  };
  // What runs one batch at a time. Used by the thread that has taken it.
  struct Lane {
    int threads = 1;
    std::unique_ptr<EmbedEncoder> encoder;  // made for the first batch
    std::vector<Item> items;                // taken and not done
    std::vector<int32_t> ids, offsets;      // of the items but perhaps the last
    std::string joined;
  };

  // With mutex_ held:
  bool CanTakeLane() const { return !queue_.empty() && !free_.empty(); }
  bool IsLittleAlone() const;
  Lane* TakeLane();
  void ReturnLane(Lane* lane);
  void CallHelpers(int64_t tokens);
  int64_t BatchGoal() const;
  void Drop(EmbedJob& job, Status status);

  // Without:
  void Help();
  void WorkBatch(Lane& lane);
  bool TakeItem(Lane& lane);
  Status PackItems(Lane& lane);
  Status RunItems(Lane& lane, size_t count);
  void FinishItems(Lane& lane, size_t first, size_t count, const Status& status);

  const TextTokenizer& tokenizer_;
  const EmbedModelShape shape_;
  const NewEmbedEncoder new_encoder_;
  std::vector<Lane> lanes_;  // not resized
  Lane wide_;                // of all threads; while it runs, no other does

  std::mutex mutex_;  // guards everything below; never held while texts are worked on
  std::vector<Lane*> free_;
  std::deque<EmbedJob*> queue_;  // with texts that nobody has taken; the front one is next
  int64_t queued_tokens_ = 0;    // of these texts, about
  EmbedTeamChoice team_choice_;
  bool ending_ = false;
  std::condition_variable work_;  // helpers sleep here
  std::vector<std::thread> helpers_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_EMBED_SCHEDULER_H_
