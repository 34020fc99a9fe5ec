// A device with a fault, for tests: a FixedBackend that compiles and runs by another one, until its
// fault shows; and the source that brings it into the selection of providers.
#ifndef TESSERA_TESTS_UNIT_FAULTY_BACKEND_H_
#define TESSERA_TESTS_UNIT_FAULTY_BACKEND_H_

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/subprocess.h"
#include "providers/fixed/provider.h"
#include "runtime/provider_registry.h"

namespace tessera {

enum class Fault {
  kNone,
  kAbsent,
  kNoDriver,
  kOldDriver,
  kNoPermission,
  kBusy,
  kCompileError,
  kCompileCrash,
  kCompileHang,
  kWrongNumerics,
  kFailsMidRun,
  kDeviceLost,
  kOutOfMemory,
  kRunHangs,
  // What a device that is lost may leave behind instead of an error.
  kNotANumber,
  kZeros,
};

struct FaultCase {
  Fault fault;
  const char* name;
  HopStage at;
  StatusCode code;
  const char* words;  // of the report
};
// Those that are promised, then variations.
inline const FaultCase kFaults[] = {
    {Fault::kAbsent, "Absent", HopStage::kDetect, StatusCode::kNotFound, "no NPU was found"},
    {Fault::kNoDriver, "NoDriver", HopStage::kDetect, StatusCode::kUnavailable, "no kernel driver"},
    {Fault::kOldDriver, "OldDriver", HopStage::kLoad, StatusCode::kUnavailable, "driver 1.2"},
    {Fault::kNoPermission, "NoPermission", HopStage::kDetect, StatusCode::kPermissionDenied,
     "no permission"},
    {Fault::kBusy, "Busy", HopStage::kCompile, StatusCode::kUnavailable, "EBUSY"},
    {Fault::kCompileError, "CompileError", HopStage::kCapability, StatusCode::kUnimplemented,
     "1002"},
    {Fault::kCompileCrash, "CompileCrash", HopStage::kCompile, StatusCode::kInternal, "signal 11"},
    {Fault::kCompileHang, "CompileHang", HopStage::kCompile, StatusCode::kDeadlineExceeded, ""},
    {Fault::kWrongNumerics, "WrongNumerics", HopStage::kNumerics, StatusCode::kDataLoss, "cosine"},
    {Fault::kFailsMidRun, "FailsMidRun", HopStage::kRun, StatusCode::kInternal, "6001"},
    {Fault::kDeviceLost, "DeviceLost", HopStage::kRun, StatusCode::kUnavailable, "reset"},
    {Fault::kOutOfMemory, "OutOfMemory", HopStage::kCompile, StatusCode::kResourceExhausted,
     "memory"},
    {Fault::kRunHangs, "RunHangs", HopStage::kRun, StatusCode::kDeadlineExceeded,
     "gave no answer within"},
    {Fault::kNotANumber, "NotANumber", HopStage::kNumerics, StatusCode::kDataLoss, "not finite"},
    {Fault::kZeros, "Zeros", HopStage::kNumerics, StatusCode::kDataLoss, "one value"},
};
inline constexpr size_t kPromisedFaults = 13;

// What the fault needs to know about all models of a device.
struct FaultState {
  Fault fault = Fault::kNone;
  std::string stage;  // whose runs fail, by the end of its name
  int good_runs = 0;  // of that stage, before the fault shows
  std::atomic<int> runs = 0;
  std::atomic<int> compiled = 0;
  // Of a run that hangs, whatever it is asked: it ends once it is released, having used all that it
  // was given.
  std::atomic<bool> release = false;
  std::atomic<int> hanging = 0;
};

class FaultyModel : public FixedModel {
 public:
  FaultyModel(std::unique_ptr<FixedModel> real, std::shared_ptr<FaultState> state, bool counts)
      : real_(std::move(real)),
        state_(std::move(state)),
        counts_(counts),
        placement_(real_->placement()) {
    for (NodePlacement& node : placement_.nodes) {
      node.provider = "mock";
      node.device = DeviceKind::kNpu;
      node.reason.clear();
    }
  }

  const StagePlacement& placement() const override { return placement_; }

  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override {
    const bool now = counts_ && state_->runs++ >= state_->good_runs;
    if (now && state_->fault == Fault::kFailsMidRun) {
      // A device that stops half-way has written some of its output.
      for (const NamedMutableView& output : outputs) Fill(output, 1e30f);
      return Internal("execution failed, error 6001");
    }
    if (now && state_->fault == Fault::kDeviceLost)
      return Unavailable("the device was reset by the system");
    if (now && state_->fault == Fault::kRunHangs) return Hang(inputs, outputs);
    TESSERA_RETURN_IF_ERROR(real_->Run(inputs, outputs, stop));
    for (const NamedMutableView& output : outputs) {
      if (state_->fault == Fault::kWrongNumerics) Mirror(output);
      if (now && state_->fault == Fault::kNotANumber)
        Fill(output, std::numeric_limits<float>::quiet_NaN());
      if (now && state_->fault == Fault::kZeros) Fill(output, 0);
    }
    return OkStatus();
  }

 private:
  Status Hang(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs) {
    ++state_->hanging;
    state_->hanging.notify_all();
    state_->release.wait(false);
    float sum = 0;
    for (const NamedView& input : inputs) {
      const auto* const bytes = static_cast<const unsigned char*>(input.view.data);
      for (size_t i = 0; i < input.view.bytes(); ++i) sum += bytes[i];
    }
    for (const NamedMutableView& output : outputs) Fill(output, sum);
    const std::shared_ptr<FaultState> state = state_;
    --state->hanging;
    state->hanging.notify_all();
    return Internal("ended when it was let");
  }
  static std::span<float> Values(const NamedMutableView& output) {
    return {static_cast<float*>(output.view.data), static_cast<size_t>(output.view.size())};
  }
  static void Fill(const NamedMutableView& output, float value) {
    for (float& x : Values(output)) x = value;
  }
  // Every second value has the wrong sign.
  static void Mirror(const NamedMutableView& output) {
    const std::span<float> values = Values(output);
    for (size_t i = 0; i < values.size(); i += 2) values[i] = -values[i];
  }

  const std::unique_ptr<FixedModel> real_;
  const std::shared_ptr<FaultState> state_;
  const bool counts_;
  StagePlacement placement_;
};

class FaultyBackend : public FixedBackend {
 public:
  FaultyBackend(std::shared_ptr<const FixedBackend> real, std::shared_ptr<FaultState> state,
                bool emulated = false)
      : real_(std::move(real)), state_(std::move(state)) {
    info_.name = "mock:npu";
    info_.version = "3.1";
    // A device of its own for each: one that was given up is so for the whole process.
    static std::atomic<int> devices = 0;
    info_.library = "libmock." + std::to_string(devices++) + ".so";
    info_.device_name = "Mock NPU";
    info_.device = DeviceKind::kNpu;
    info_.emulated = emulated;
  }

  const BackendInfo& info() const override { return info_; }

  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override {
    ++state_->compiled;
    switch (state_->fault) {
      case Fault::kBusy:
        return Unavailable("open: device or resource busy (EBUSY)");
      case Fault::kCompileError:
        return Unimplemented("failed to finalize the graph, code 1002");
      case Fault::kOutOfMemory:
        return ResourceExhausted("not enough device memory");
      case Fault::kCompileCrash: {
        // As a vendor's compiler in a child process does it.
        TESSERA_ASSIGN_OR_RETURN(const SubprocessResult child,
                                 RunSubprocess({.argv = {"/bin/sh", "-c", "kill -SEGV $$"}}, stop));
        return Internal("the compiler ended with signal " + std::to_string(child.exit_code - 128));
      }
      case Fault::kCompileHang: {
        TESSERA_ASSIGN_OR_RETURN(const SubprocessResult child,
                                 RunSubprocess({.argv = {"/bin/sh", "-c", "sleep 600"},
                                                .time_limit = std::chrono::milliseconds(100)},
                                               stop));
        return Internal("the compiler ended with " + std::to_string(child.exit_code));
      }
      default:
        break;
    }
    TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> model,
                             real_->Compile(path, options, stop));
    return std::unique_ptr<FixedModel>(std::make_unique<FaultyModel>(
        std::move(model), state_, options.stage.ends_with(state_->stage)));
  }

 private:
  const std::shared_ptr<const FixedBackend> real_;
  const std::shared_ptr<FaultState> state_;
  BackendInfo info_;
};

// "mock:npu" as the machine's one NPU.
class FaultySource : public ProviderSource {
 public:
  FaultySource(std::shared_ptr<const FixedBackend> real, std::shared_ptr<FaultState> state,
               bool emulated = false)
      : state_(state),
        backend_(std::make_shared<FaultyBackend>(std::move(real), state, emulated)) {}

  std::vector<FoundProvider> Find(const ProviderQuery& query) const override {
    if (!query.all && !query.name.empty() && query.name != "mock:npu") return {};
    FoundProvider found;
    const BackendInfo& info = backend_->info();
    found.info = {.name = info.name,
                  .version = info.version,
                  .library = info.library,
                  .device_name = info.device_name,
                  .device = info.device,
                  .emulated = info.emulated,
                  .usable = true};
    switch (state_->fault) {
      case Fault::kAbsent:
        return {};
      case Fault::kNoDriver:
        Unusable(HopStage::kDetect, StatusCode::kUnavailable, "no kernel driver holds the device",
                 "sudo modprobe mock", &found);
        break;
      case Fault::kOldDriver:
        Unusable(HopStage::kLoad, StatusCode::kUnavailable, "driver 1.2 is older than 1.5",
                 "update the driver", &found);
        break;
      case Fault::kNoPermission:
        Unusable(HopStage::kDetect, StatusCode::kPermissionDenied,
                 "no permission to open /dev/accel/accel0", "sudo usermod -aG render $USER",
                 &found);
        break;
      default:
        break;
    }
    return {found};
  }

  Result<std::shared_ptr<const ExecutionProvider>> Open(
      const ProviderInfo&, const ProviderRequest& request) const override {
    FixedProviderOptions options;
    options.require_all_nodes = request.require_all_nodes;
    return std::shared_ptr<const ExecutionProvider>(
        std::make_shared<FixedProvider>(backend_, std::move(options), 1));
  }

 private:
  static void Unusable(HopStage at, StatusCode code, const char* reason, const char* hint,
                       FoundProvider* found) {
    found->info.usable = false;
    found->info.reason = reason;
    found->info.hint = hint;
    found->failed_at = at;
    found->code = code;
  }

  const std::shared_ptr<FaultState> state_;
  const std::shared_ptr<const FixedBackend> backend_;
};

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_FAULTY_BACKEND_H_
