// Runs of a device under a watch: one that hangs is broken off, and its device never used again.
//
// How long a run may take. Runs of a compiled stage are all alike: fixed shapes, no branches. So
// the slowest good run so far says what to expect; kTimes of it leaves room for a processor that is
// hot, shared, or waking up, and kLeast for short runs, where a busy system's delays are larger
// than the run. The first run has nothing to go by and does most (weights are moved, kernels
// loaded): it has kFirst, or where an ordinary processor computes, kFirstOnCpu, since a window
// takes minutes in an emulator and a large model nearly one on a slow machine. The environment's
// TESSERA_DEVICE_RUN_LIMIT (seconds, `--device-run-limit`) replaces all of this by one limit; 0:
// runs are not watched.
//
// A run beyond its limit is asked to end, as the library allows it; one that does not within kGrace
// is given up (base/guarded_thread.h). From then on nothing touches the device in this process: its
// other runs and compiles are refused, runs under way are given up sooner, and its models and the
// library's objects are kept rather than freed, since freeing them may hang just as well.
//
// What a run that was given up may still touch lives as long as it does, by shared ownership: the
// model and, through `memory`, inputs and outputs. States are shared, not copied: a Whisper step
// reads 48 MB of them, more than it would take to compute. What belongs to the caller alone is
// copied into such memory (unit_runner.cc): 4 MB a window, 0.2 MB a token of whisper-base.
#ifndef TESSERA_PROVIDERS_FIXED_DEVICE_WATCH_H_
#define TESSERA_PROVIDERS_FIXED_DEVICE_WATCH_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/guarded_thread.h"
#include "providers/fixed/compiled_stage.h"

namespace tessera::fixed {

struct RunLimits {
  static constexpr std::chrono::milliseconds kFirst{120000}, kFirstOnCpu{3600000}, kLeast{10000},
      kGrace{2000};
  static constexpr int kTimes = 20;

  std::chrono::milliseconds first = kFirst;  // of the first run; never more later
  std::chrono::milliseconds least = kLeast;  // of any
  std::chrono::milliseconds grace = kGrace;
  bool watched = true;

  // By the kind of device, or as the environment has it.
  static RunLimits Of(const BackendInfo& info);
  // After the slowest good run took `slowest`; 0: there was none.
  std::chrono::milliseconds After(std::chrono::milliseconds slowest) const;
};

// A device of this process, whoever opened it. Thread-safe.
class DeviceHealth {
 public:
  // The same for equal libraries and devices; lives as long as the process.
  static DeviceHealth& Of(const BackendInfo& info);

  const std::atomic<bool>& given_up() const { return given_up_; }
  void GiveUp(const std::string& why);
  // kUnavailable once it was given up.
  Status status() const;
  // For as long as the process lives.
  void Keep(std::shared_ptr<const void> what);

 private:
  std::atomic<bool> given_up_ = false;
  mutable std::mutex mutex_;
  std::string why_;
  std::vector<std::shared_ptr<const void>> kept_;
};

// A compiled stage whose runs are watched. Runs take turns, in a thread of their own. Thread-safe.
class WatchedStage {
 public:
  WatchedStage(std::shared_ptr<const CompiledStage> stage,
               std::shared_ptr<const FixedBackend> backend);
  ~WatchedStage();
  WatchedStage(const WatchedStage&) = delete;
  WatchedStage& operator=(const WatchedStage&) = delete;

  const CompiledStage& stage() const { return *stage_; }
  // As FixedModel::Run. Every view lies in what `memory` owns, every name in stage().
  // kDeadlineExceeded: the run took too long; kUnavailable: the device was given up before.
  // `given_up`: the run goes on, and nobody may write what `memory` owns.
  Status Run(std::vector<NamedView> inputs, std::vector<NamedMutableView> outputs,
             std::vector<std::shared_ptr<const void>> memory, std::stop_token stop,
             bool* given_up) const;

 private:
  std::shared_ptr<const CompiledStage> stage_;
  std::shared_ptr<const FixedBackend> backend_;
  DeviceHealth& health_;
  const RunLimits limits_;
  mutable std::mutex turn_;  // of what follows
  mutable std::chrono::milliseconds slowest_{0};
  mutable GuardedThread thread_;
};

}  // namespace tessera::fixed

#endif  // TESSERA_PROVIDERS_FIXED_DEVICE_WATCH_H_
