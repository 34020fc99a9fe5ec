// RecordingFeed: opens recordings and cuts them into windows on a thread of its own, ahead of those
// who decode them.
#ifndef TESSERA_PIPELINES_RECORDING_FEED_H_
#define TESSERA_PIPELINES_RECORDING_FEED_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <variant>

#include "audio/clip.h"
#include "base/wake_signal.h"
#include "pipelines/recording_windows.h"
#include "pipelines/speech_detector.h"
#include "pipelines/window_decoder.h"
#include "tessera/status.h"
#include "tessera/transcribe.h"

namespace tessera {

// A recording as the batch reads it. `mel` is of the same audio as `clip`.
struct BatchRecording {
  AudioClip clip;
  std::unique_ptr<MelSource> mel;
  std::unique_ptr<SpeechDetector> detector;  // of this recording alone
};

struct BatchInput {
  int count = 0;  // of recordings
  // Opens one. Called once for each, in order, on the feed's thread. Errors end that recording
  // only.
  std::function<Result<BatchRecording>(int index)> open;
};

// What becomes of recording `index`, in this order: opened, any number of windows, end. One that
// cannot be opened only ends.
struct FeedOpened {
  int index = 0;
  double seconds = 0;
  std::shared_ptr<const MelSource> mel;
};
struct FeedWindow {
  int index = 0;
  MelWindow window;
};
struct FeedEnd {
  int index = 0;
  Status status;  // why it could not be read to its end
};
using FeedEvent = std::variant<FeedOpened, FeedWindow, FeedEnd>;

class RecordingFeed {
 public:
  // Begins at once. At most `max_ahead` windows are cut that nobody has taken, and no recording is
  // opened while there are so many. `options` gives the parts of a recording that are wanted.
  // `ready` is notified of each event. All must outlive the feed.
  RecordingFeed(BatchInput input, const TranscribeOptions& options, int64_t window_frames,
                int max_ahead, WakeSignal& ready, std::stop_token stop);
  // Stops and waits for what is being read.
  ~RecordingFeed();

  // The next event; nothing where there is none at present.
  std::optional<FeedEvent> Pop();
  // A window that Pop() gave is being worked on.
  void Taken();
  // No more windows of this recording are wanted; its end still comes.
  void Abandon(int index);
  // Pop() has given, or never will give, the end of the last recording.
  bool ended() const;

 private:
  void Loop();
  Status Read(int index);
  // Waits until a further window may be cut; false at a stop.
  bool WaitForRoom();
  bool Abandoned(int index) const;
  void Push(FeedEvent event);

  const BatchInput input_;
  const TranscribeOptions& options_;
  const int64_t window_frames_;
  const int max_ahead_;
  WakeSignal& ready_;
  std::stop_source stop_;  // the caller's or the destructor's

  mutable std::mutex mutex_;
  std::condition_variable_any room_;
  std::deque<FeedEvent> events_;
  int num_ahead_ = 0;
  std::set<int> abandoned_;
  bool ended_ = false;
  std::stop_callback<std::function<void()>> forward_stop_;
  std::jthread thread_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_RECORDING_FEED_H_
