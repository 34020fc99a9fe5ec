#include "pipelines/recording_feed.h"

#include <utility>

#include "base/check.h"
#include "pipelines/transcribe_loop.h"

namespace tessera {

RecordingFeed::RecordingFeed(BatchInput input, const TranscribeOptions& options,
                             int64_t window_frames, int max_ahead, WakeSignal& ready,
                             std::stop_token stop)
    : input_(std::move(input)),
      options_(options),
      window_frames_(window_frames),
      max_ahead_(max_ahead),
      ready_(ready),
      forward_stop_(std::move(stop), [this] { stop_.request_stop(); }),
      thread_([this] { Loop(); }) {}

RecordingFeed::~RecordingFeed() { stop_.request_stop(); }

std::optional<FeedEvent> RecordingFeed::Pop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (events_.empty()) return std::nullopt;
  FeedEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void RecordingFeed::Taken() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    --num_ahead_;
  }
  room_.notify_all();
}

void RecordingFeed::Abandon(int index) {
  const std::lock_guard<std::mutex> lock(mutex_);
  abandoned_.insert(index);
}

bool RecordingFeed::ended() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ended_ && events_.empty();
}

void RecordingFeed::Push(FeedEvent event) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    num_ahead_ += std::holds_alternative<FeedWindow>(event);
    events_.push_back(std::move(event));
  }
  ready_.Notify();
}

bool RecordingFeed::WaitForRoom() {
  std::unique_lock<std::mutex> lock(mutex_);
  return room_.wait(lock, stop_.get_token(), [this] { return num_ahead_ < max_ahead_; });
}

bool RecordingFeed::Abandoned(int index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return abandoned_.contains(index);
}

void RecordingFeed::Loop() {
  for (int index = 0; index < input_.count && WaitForRoom(); ++index) {
    if (stop_.stop_requested()) break;
    Push(FeedEnd{index, Read(index)});
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  ready_.Notify();
}

Status RecordingFeed::Read(int index) {
  TESSERA_ASSIGN_OR_RETURN(BatchRecording opened, input_.open(index));
  TESSERA_ASSIGN_OR_RETURN(std::vector<MelRange> clips,
                           ClipRanges(options_, opened.mel->content_frames()));
  const double seconds = opened.clip.duration_seconds();
  RecordingWindows windows(std::move(opened.clip), std::move(clips), window_frames_);
  Push(FeedOpened{index, seconds, std::move(opened.mel)});
  while (WaitForRoom() && !Abandoned(index)) {
    TESSERA_ASSIGN_OR_RETURN(std::optional<MelWindow> window,
                             windows.Next(*opened.detector, stop_.get_token()));
    if (!window) break;
    Push(FeedWindow{index, std::move(*window)});
  }
  return stop_.stop_requested() ? Cancelled("a stop was requested") : OkStatus();
}

}  // namespace tessera
