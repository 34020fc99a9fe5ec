#include "pipelines/embed_scheduler.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <system_error>

#include "base/check.h"

namespace tessera {
namespace {

// Before a text is tokenised. Most languages have about four bytes a token.
int64_t AboutTokens(size_t bytes, const EmbedPlan& plan) {
  constexpr size_t kBytesOfToken = 4, kSpecial = 2;
  const size_t tokens = (bytes + plan.prompt.size()) / kBytesOfToken + kSpecial;
  return static_cast<int64_t>(std::min(tokens, static_cast<size_t>(plan.max_tokens)));
}

Status OutOfMemory() {
  return ResourceExhausted("not enough memory to embed texts; close other programs");
}

}  // namespace

EmbedScheduler::EmbedScheduler(const TextTokenizer& tokenizer, const EmbedModelShape& shape,
                               NewEmbedEncoder new_encoder, int num_lanes)
    : tokenizer_(tokenizer),
      shape_(shape),
      new_encoder_(std::move(new_encoder)),
      lanes_(static_cast<size_t>(num_lanes)) {
  TESSERA_CHECK(num_lanes > 0);
  wide_.threads = num_lanes;
  for (Lane& lane : lanes_) free_.push_back(&lane);
  // An item has a token at least, so there are no more in a run; one waits for the next.
  const auto most_items = static_cast<size_t>(shape_.run_tokens) + 1;
  wide_.items.reserve(most_items);
  for (Lane& lane : lanes_) lane.items.reserve(most_items);
}

EmbedScheduler::~EmbedScheduler() {
  {
    const std::lock_guard lock(mutex_);
    TESSERA_CHECK(queue_.empty());
    ending_ = true;
  }
  work_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

Status EmbedScheduler::Run(EmbedJob& job) {
  for (const uint32_t index : job.order_)
    job.untaken_tokens_ += AboutTokens(job.text(index).size(), job.plan());
  std::unique_lock lock(mutex_);
  if (job.Finished()) return OkStatus();
  queue_.push_back(&job);
  queued_tokens_ += job.untaken_tokens_;
  while (!job.Finished() && !job.stop().stop_requested()) {
    if (!job.AllTaken() && CanTakeLane()) {
      const int64_t little = IsLittleAlone() ? queued_tokens_ : 0;
      const auto start = std::chrono::steady_clock::now();
      Lane* lane = TakeLane();
      while (!job.AllTaken() && !job.stop().stop_requested()) {
        CallHelpers(queued_tokens_ - BatchGoal());
        lock.unlock();
        WorkBatch(*lane);
        lock.lock();
      }
      if (little > 0 && job.Finished() && job.status_.ok()) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        team_choice_.Record(little, lane == &wide_, took.count());
      }
      ReturnLane(lane);
    } else {
      job.changed_.wait(lock, job.stop(),
                        [&] { return job.Finished() || (!job.AllTaken() && CanTakeLane()); });
    }
  }
  if (!job.Finished()) {
    Drop(job, Cancelled("a stop was requested"));
    job.changed_.wait(lock, [&] { return job.Finished(); });
  }
  return job.status_;
}

bool EmbedScheduler::IsLittleAlone() const {
  return lanes_.size() > 1 && free_.size() == lanes_.size() && queued_tokens_ < kWideTokens;
}

EmbedScheduler::Lane* EmbedScheduler::TakeLane() {
  if (IsLittleAlone() && team_choice_.UseAll(queued_tokens_)) {
    free_.clear();
    return &wide_;
  }
  Lane* lane = free_.back();
  free_.pop_back();
  return lane;
}

void EmbedScheduler::ReturnLane(Lane* lane) {
  if (lane == &wide_) {
    for (Lane& narrow : lanes_) free_.push_back(&narrow);
  } else {
    free_.push_back(lane);
  }
  CallHelpers(queued_tokens_);
}

// For work of so many tokens beside what the caller does itself.
void EmbedScheduler::CallHelpers(int64_t tokens) {
  if (!CanTakeLane() || tokens <= 0) return;
  const auto wanted = std::min<int64_t>((tokens + kLeastBatchTokens - 1) / kLeastBatchTokens,
                                        static_cast<int64_t>(free_.size()));
  try {
    while (helpers_.size() < lanes_.size() && static_cast<int64_t>(helpers_.size()) < wanted)
      helpers_.emplace_back([this] { Help(); });
  } catch (const std::system_error&) {
    // Then whoever waits does it.
  } catch (const std::bad_alloc&) {
  }
  for (int64_t i = 0; i < wanted; ++i) work_.notify_one();
  if (helpers_.empty()) queue_.front()->changed_.notify_all();
}

int64_t EmbedScheduler::BatchGoal() const {
  const auto share = queued_tokens_ / (2 * static_cast<int64_t>(lanes_.size()));
  return std::clamp(share, kLeastBatchTokens, kBatchTokens);
}

// What nobody has taken of the job will not be done.
void EmbedScheduler::Drop(EmbedJob& job, Status status) {
  if (job.status_.ok()) job.status_ = std::move(status);
  if (job.AllTaken()) return;
  std::erase(queue_, &job);
  queued_tokens_ -= job.untaken_tokens_;
  job.untaken_tokens_ = 0;
  job.next_ = job.order_.size();
}

void EmbedScheduler::Help() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return ending_ || CanTakeLane(); });
    if (ending_) return;
    Lane* lane = TakeLane();
    while (!queue_.empty()) {
      lock.unlock();
      WorkBatch(*lane);
      lock.lock();
    }
    ReturnLane(lane);
  }
}

// One batch, and what did not fit into it, of whatever is queued.
void EmbedScheduler::WorkBatch(Lane& lane) {
  Status status;
  try {
    if (lane.encoder == nullptr) {
      Result<std::unique_ptr<EmbedEncoder>> encoder = new_encoder_(lane.threads);
      if (encoder.ok()) {
        lane.encoder = std::move(encoder).value();
      } else {
        status = std::move(encoder).status();
      }
    }
    lane.ids.clear();
    lane.offsets.assign(1, 0);
    while (TakeItem(lane)) {
      if (status.ok()) status = PackItems(lane);
      if (!status.ok()) break;
    }
    if (status.ok() && !lane.items.empty()) status = RunItems(lane, lane.items.size());
  } catch (const std::bad_alloc&) {
    status = OutOfMemory();
  }
  FinishItems(lane, 0, lane.items.size(), status);
}

// The next text in turn, unless the lane has enough.
bool EmbedScheduler::TakeItem(Lane& lane) {
  const std::lock_guard lock(mutex_);
  const int64_t goal = lane.threads > 1 ? kBatchTokens : BatchGoal();
  if (queue_.empty() || static_cast<int64_t>(lane.ids.size()) >= goal ||
      static_cast<int64_t>(lane.items.size()) > shape_.run_tokens) {
    return false;
  }
  EmbedJob* job = queue_.front();
  const uint32_t index = job->order_[job->next_];
  lane.items.push_back({job, index});
  queue_.pop_front();
  ++job->next_;
  ++job->in_flight_;
  const int64_t tokens = AboutTokens(job->text(index).size(), job->plan());
  job->untaken_tokens_ -= tokens;
  queued_tokens_ -= tokens;
  if (!job->AllTaken()) queue_.push_back(job);
  return true;
}

// Puts the last item's tokens behind the others', which run first where there is no room.
Status EmbedScheduler::PackItems(Lane& lane) {
  const Item item = lane.items.back();
  EmbedJob& job = *item.job;
  const TokenizedText tokens = tokenizer_.Encode(
      WithPrompt(job.plan(), job.text(item.index), &lane.joined), job.plan().max_tokens);
  if (static_cast<int64_t>(lane.ids.size() + tokens.ids.size()) > shape_.run_tokens) {
    const size_t packed = lane.items.size() - 1;
    TESSERA_RETURN_IF_ERROR(RunItems(lane, packed));
    FinishItems(lane, 0, packed, OkStatus());
    lane.ids.clear();
    lane.offsets.assign(1, 0);
  }
  job.SetTokens(item.index, static_cast<int32_t>(tokens.ids.size()), tokens.truncated);
  if (tokens.ids.empty()) {  // the vector stays zero
    FinishItems(lane, lane.items.size() - 1, 1, OkStatus());
    return OkStatus();
  }
  lane.ids.insert(lane.ids.end(), tokens.ids.begin(), tokens.ids.end());
  lane.offsets.push_back(static_cast<int32_t>(lane.ids.size()));
  return OkStatus();
}

Status EmbedScheduler::RunItems(Lane& lane, size_t count) {
  const EmbedJob* job = lane.items.front().job;
  const bool alone =
      std::ranges::all_of(lane.items, [&](const Item& item) { return item.job == job; });
  TESSERA_ASSIGN_OR_RETURN(
      const std::span<const float> hidden,
      lane.encoder->Run(lane.ids, lane.offsets, alone ? job->stop() : std::stop_token()));
  for (size_t i = 0; i < count; ++i) {
    const int32_t begin = lane.offsets[i], end = lane.offsets[i + 1];
    const auto rows = hidden.subspan(static_cast<size_t>(begin * shape_.width),
                                     static_cast<size_t>((end - begin) * shape_.width));
    PoolTokens(lane.items[i].job->plan(), rows, shape_.width,
               lane.items[i].job->vector(lane.items[i].index));
  }
  return OkStatus();
}

// These items of the lane are done, or their calls have failed.
void EmbedScheduler::FinishItems(Lane& lane, size_t first, size_t count, const Status& status) {
  const std::lock_guard lock(mutex_);
  for (size_t i = first; i < first + count; ++i) {
    EmbedJob& job = *lane.items[i].job;
    --job.in_flight_;
    if (!status.ok()) Drop(job, status);
    if (job.Finished()) job.changed_.notify_all();  // and is gone once the mutex is free
  }
  const auto begin = lane.items.begin() + static_cast<std::ptrdiff_t>(first);
  lane.items.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
}

}  // namespace tessera
