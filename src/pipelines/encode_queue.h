// EncodeQueue: windows on their way into a session's places, while their owner's thread decodes.
//
// Encoder 0 of the session works on the owner's thread, each further one on a thread of its own.
#ifndef TESSERA_PIPELINES_ENCODE_QUEUE_H_
#define TESSERA_PIPELINES_ENCODE_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/wake_signal.h"
#include "models/whisper/session.h"
#include "pipelines/window_decoder.h"

namespace tessera {

struct EncodeTask {
  int64_t id = 0;  // the owner's
  int place = 0;   // nobody else uses it until the task is done
  std::shared_ptr<const MelSource> mel;
  int64_t begin = 0;       // first mel frame
  int64_t num_frames = 0;  // 1..3000
  int64_t positions = 0;   // as in EncodeOptions
};
struct EncodedWindow {
  int64_t id = 0;
  int place = 0;
  Status read;    // why the mel could not be read
  Status encode;  // why the session could not encode
};

class EncodeQueue {
 public:
  // All must outlive the queue. `done` is notified when a window is ready.
  EncodeQueue(WhisperSession& session, WakeSignal& done, std::stop_token stop);
  // Waits for what is being encoded; what is not begun is dropped.
  ~EncodeQueue();

  // Threads beside the owner's.
  int num_helpers() const { return static_cast<int>(helpers_.size()); }

  // The following are for the owner's thread.
  // The task waits; helpers that are idle learn of it by Offer().
  void Push(EncodeTask task);
  int num_waiting() const;
  // Windows that are waiting, being encoded or not taken back yet.
  bool empty() const;
  // Lets the helpers have all waiting tasks but the first `keep`.
  void Offer(int keep);
  // Encodes the first waiting task on this thread; there must be one.
  void RunOne();
  // A window that is ready, in the order in which they became so.
  std::optional<EncodedWindow> Pop();

 private:
  void HelperLoop(int encoder);
  EncodedWindow Run(const EncodeTask& task, const EncodeOptions& options,
                    std::vector<float>& mel) const;

  WhisperSession& session_;
  WakeSignal& done_;
  const std::stop_token stop_;
  std::vector<float> mel_;  // of RunOne

  mutable std::mutex mutex_;
  std::condition_variable offered_;
  std::deque<EncodeTask> waiting_;
  size_t keep_ = 0;  // of the first of them, for the owner
  std::deque<EncodedWindow> ready_;
  int running_ = 0;
  bool ending_ = false;
  std::vector<std::thread> helpers_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_ENCODE_QUEUE_H_
