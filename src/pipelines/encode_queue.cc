#include "pipelines/encode_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tessera {

EncodeQueue::EncodeQueue(WhisperSession& session, WakeSignal& done, std::stop_token stop)
    : session_(session), done_(done), stop_(std::move(stop)) {
  for (int encoder = 1; encoder < session.num_encoders(); ++encoder) {
    helpers_.emplace_back([this, encoder] { HelperLoop(encoder); });
  }
}

EncodeQueue::~EncodeQueue() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  offered_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void EncodeQueue::Push(EncodeTask task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(task));
}

int EncodeQueue::num_waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(waiting_.size());
}

bool EncodeQueue::empty() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.empty() && ready_.empty() && running_ == 0;
}

void EncodeQueue::Offer(int keep) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    keep_ = static_cast<size_t>(keep);
    if (waiting_.size() <= keep_) return;
  }
  offered_.notify_all();
}

void EncodeQueue::RunOne() {
  std::unique_lock<std::mutex> lock(mutex_);
  TESSERA_CHECK(!waiting_.empty());
  const EncodeTask task = std::move(waiting_.front());
  waiting_.pop_front();
  keep_ = 0;
  const bool alone = helpers_.empty() || (running_ == 0 && waiting_.empty());
  ++running_;
  lock.unlock();
  EncodedWindow encoded =
      Run(task, {.encoder = 0, .alone = alone, .positions = task.positions}, mel_);
  lock.lock();
  --running_;
  ready_.push_back(std::move(encoded));
}

std::optional<EncodedWindow> EncodeQueue::Pop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ready_.empty()) return std::nullopt;
  EncodedWindow encoded = std::move(ready_.front());
  ready_.pop_front();
  return encoded;
}

void EncodeQueue::HelperLoop(int encoder) {
  std::vector<float> mel;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    offered_.wait(lock, [this] { return ending_ || waiting_.size() > keep_; });
    if (ending_) return;
    const auto next = waiting_.begin() + static_cast<std::ptrdiff_t>(keep_);
    const EncodeTask task = std::move(*next);
    waiting_.erase(next);
    ++running_;
    lock.unlock();
    EncodedWindow encoded =
        Run(task, {.encoder = encoder, .alone = false, .positions = task.positions}, mel);
    lock.lock();
    --running_;
    ready_.push_back(std::move(encoded));
    done_.Notify();
  }
}

EncodedWindow EncodeQueue::Run(const EncodeTask& task, const EncodeOptions& options,
                               std::vector<float>& mel) const {
  const int64_t num_mels = session_.config().num_mels;
  TESSERA_CHECK(task.mel->num_mels() == num_mels && task.num_frames >= 1 &&
                task.num_frames <= session_.config().num_frames());
  mel.resize(static_cast<size_t>(task.num_frames * num_mels));
  EncodedWindow encoded;
  encoded.id = task.id;
  encoded.place = task.place;
  encoded.read = task.mel->Frames(task.begin, task.num_frames, mel);
  if (encoded.read.ok()) {
    encoded.encode = session_.Encode(View{mel.data(), DType::kF32, {task.num_frames, num_mels}},
                                     task.place, options, stop_);
  }
  return encoded;
}

}  // namespace tessera
