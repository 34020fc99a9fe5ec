#include "providers/fixed/device_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/debug_log.h"

namespace tessera::fixed {
namespace {

using std::chrono::milliseconds;

constexpr double kMostSeconds = 1e6;

std::string Seconds(milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", static_cast<double>(time.count()) / 1e3);
  return text;
}

}  // namespace

RunLimits RunLimits::Of(const BackendInfo& info) {
  RunLimits limits;
  if (info.emulated || info.device == DeviceKind::kCpu) limits.first = kFirstOnCpu;
  const char* const asked = std::getenv("TESSERA_DEVICE_RUN_LIMIT");
  if (asked == nullptr || *asked == '\0') return limits;
  char* end = nullptr;
  const double seconds = std::strtod(asked, &end);
  if (*end != '\0' || !(seconds >= 0 && seconds <= kMostSeconds)) {
    DebugLog(std::string("TESSERA_DEVICE_RUN_LIMIT: expected seconds, found \"") + asked + "\"");
    return limits;
  }
  limits.watched = seconds > 0;
  limits.first = limits.least = milliseconds(std::llround(std::ceil(seconds * 1e3)));
  limits.grace = std::min(kGrace, limits.first);
  return limits;
}

milliseconds RunLimits::After(milliseconds slowest) const {
  if (slowest.count() == 0) return first;
  return std::min(first, std::max(least, slowest * kTimes));
}

DeviceHealth& DeviceHealth::Of(const BackendInfo& info) {
  // Never freed: calls that were given up outlive everything.
  static auto* const all = new std::map<std::string, std::unique_ptr<DeviceHealth>>;
  static auto* const mutex = new std::mutex;
  const std::lock_guard lock(*mutex);
  auto& health = (*all)[info.name + "\n" + info.library + "\n" + info.device_name];
  if (health == nullptr) health = std::make_unique<DeviceHealth>();
  return *health;
}

void DeviceHealth::GiveUp(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (why_.empty()) why_ = why;
  given_up_.store(true, std::memory_order_release);
}

Status DeviceHealth::status() const {
  if (!given_up_.load(std::memory_order_acquire)) return OkStatus();
  const std::lock_guard lock(mutex_);
  return Unavailable("given up in this process: " + why_ + "; start the program anew to use it");
}

void DeviceHealth::Keep(std::shared_ptr<const void> what) {
  const std::lock_guard lock(mutex_);
  kept_.push_back(std::move(what));
}

WatchedStage::WatchedStage(std::shared_ptr<const CompiledStage> stage,
                           std::shared_ptr<const FixedBackend> backend)
    : stage_(std::move(stage)),
      backend_(std::move(backend)),
      health_(DeviceHealth::Of(backend_->info())),
      limits_(RunLimits::Of(backend_->info())) {}

WatchedStage::~WatchedStage() {
  if (!health_.given_up().load(std::memory_order_acquire)) return;
  health_.Keep(std::move(stage_));
  health_.Keep(std::move(backend_));
}

Status WatchedStage::Run(std::vector<NamedView> inputs, std::vector<NamedMutableView> outputs,
                         std::vector<std::shared_ptr<const void>> memory, std::stop_token stop,
                         bool* given_up) const {
  *given_up = false;
  const std::lock_guard turn(turn_);
  TESSERA_RETURN_IF_ERROR(health_.status());
  if (!limits_.watched) return stage_->Run(inputs, outputs, std::move(stop));
  const milliseconds limit = limits_.After(slowest_);
  const auto start = std::chrono::steady_clock::now();
  GuardedThread::Outcome outcome =
      thread_.Call([stage = stage_, inputs = std::move(inputs), outputs = std::move(outputs),
                    memory = std::move(memory)](
                       std::stop_token own) { return stage->Run(inputs, outputs, std::move(own)); },
                   {.time = limit, .grace = limits_.grace}, std::move(stop), health_.given_up());
  const std::string what = stage_->graph().name() + " on " + backend_->info().name +
                           " gave no answer within " + Seconds(limit) +
                           " (--device-run-limit SECONDS changes that)";
  switch (outcome.end) {
    case GuardedThread::End::kReturned: {
      const auto took = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - start);
      if (outcome.status.ok()) slowest_ = std::max(slowest_, took);
      return outcome.status;
    }
    case GuardedThread::End::kStoppedInGrace:
      return DeadlineExceeded(what + " and was stopped");
    case GuardedThread::End::kGivenUp:
      break;
  }
  *given_up = true;
  health_.GiveUp(what + " and could not be stopped");
  if (outcome.status.code() == StatusCode::kCancelled)
    return Cancelled(stage_->graph().name() + " on " + backend_->info().name +
                     " did not end when it was stopped");
  return DeadlineExceeded(what + " and could not be stopped; it is not used again");
}

}  // namespace tessera::fixed
