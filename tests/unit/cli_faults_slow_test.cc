// The whole program with a device that has a fault: `tessera transcribe` writes the CPU's text,
// says what happened, and ends with exit code 5 where an NPU is required. The device computes with
// ONNX Runtime's CPU provider until its fault shows; skipped where that is not installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/guarded_thread.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "providers/onnxruntime/backend.h"
#include "runtime/model_store.h"
#include "tests/unit/faulty_backend.h"
#include "tests/unit/npu_venv.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;

constexpr const char* kModel = "whisper-tiny.en";
const std::string kRecording = TESSERA_SOURCE_DIR "/tests/data/jfk.flac";

struct Printed {
  int code = 0;
  std::string out, err;
};

Printed Transcribe(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {"transcribe", kRecording, "--model", kModel, "--precision", "f32"});
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Printed printed;
  printed.code = RunCli(arguments);
  printed.out = testing::internal::GetCapturedStdout();
  printed.err = testing::internal::GetCapturedStderr();
  return printed;
}

class CliFaultTest : public ::testing::TestWithParam<FaultCase> {
 protected:
  static void SetUpTestSuite() {
    UseNpuVenv();
    // Every start tries the device, whatever an earlier one has found out.
    ASSERT_EQ(setenv("TESSERA_NO_CACHE", "1", 1), 0);
    if (!ModelPath(kModel).ok()) return;
    const auto real = OpenOnnxRuntimeBackend("cpu");
    reason_ = real.status().message();
    if (!real.ok()) return;
    real_ = *real;
    expected_ = Transcribe({"--device", "cpu"});
  }
  static void TearDownTestSuite() {
    real_ = nullptr;
    unsetenv("TESSERA_NO_CACHE");
  }
  void SetUp() override {
    if (!ModelPath(kModel).ok()) GTEST_SKIP() << kModel << " is not installed";
    if (real_ == nullptr) GTEST_SKIP() << reason_;
    ASSERT_EQ(expected_.code, kExitOk) << expected_.err;
    state_->fault = GetParam().fault;
    state_->stage = "decoder";
    // Beyond the device's first trials: in the middle of the recording's tokens.
    state_->good_runs = 40;
    if (GetParam().fault == Fault::kRunHangs) {
      // More than any good run of the small model takes.
      ASSERT_EQ(setenv("TESSERA_DEVICE_RUN_LIMIT", "5", 1), 0);
    }
  }
  void TearDown() override { unsetenv("TESSERA_DEVICE_RUN_LIMIT"); }

  static std::shared_ptr<const FixedBackend> real_;
  static std::string reason_;
  static Printed expected_;
  const std::shared_ptr<FaultState> state_ = std::make_shared<FaultState>();
};
std::shared_ptr<const FixedBackend> CliFaultTest::real_;
std::string CliFaultTest::reason_;
Printed CliFaultTest::expected_;

bool IsFoundOutBefore(const FaultCase& c) {
  return c.at == HopStage::kDetect || c.at == HopStage::kLoad;
}

TEST_P(CliFaultTest, WritesTheCpusText) {
  const FaultCase& c = GetParam();
  const ScopedProviderSource source(std::make_shared<FaultySource>(real_, state_));
  // Speed does not count for "npu", which must be there.
  const Printed found = Transcribe({"--device", IsFoundOutBefore(c) ? "auto" : "npu"});
  EXPECT_EQ(found.code, kExitOk) << found.err;
  EXPECT_EQ(found.out, expected_.out);
  EXPECT_THAT(found.err, HasSubstr("placement: "));
  EXPECT_THAT(found.err, HasSubstr(c.words));
  EXPECT_THAT(found.err, HasSubstr("on cpu"));
  if (c.at == HopStage::kRun) {
    EXPECT_EQ(state_->runs, state_->good_runs + 1);
  }
}

TEST_P(CliFaultTest, EndsWithFiveWhereAnNpuIsRequired) {
  const ScopedProviderSource source(std::make_shared<FaultySource>(real_, state_));
  const Printed found = Transcribe({"--require-npu"});
  EXPECT_EQ(found.code, kExitDeviceUnavailable) << found.err;
  EXPECT_THAT(found.err, HasSubstr(GetParam().words));
}

// What a vendor's library does at the end of a process may hang like its run.
TEST(LeaveDeathTest, NobodyWaitsForACallThatWasGivenUp) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::atexit([] {
          for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        });
        const std::atomic<bool> never = false;
        const auto let_go = std::make_shared<std::atomic<bool>>(false);
        GuardedThread thread;
        const auto outcome = thread.Call(
            [let_go](std::stop_token) {
              let_go->wait(false);
              return OkStatus();
            },
            {std::chrono::milliseconds(1), std::chrono::milliseconds(1)}, {}, never);
        std::printf("written");
        std::exit(
            Leave(outcome.end == GuardedThread::End::kGivenUp ? kExitDeviceUnavailable : kExitOk));
      },
      ::testing::ExitedWithCode(kExitDeviceUnavailable), "");
}

// The variations are tried in runtime_fallback_test.cc.
INSTANTIATE_TEST_SUITE_P(Faults, CliFaultTest,
                         ::testing::ValuesIn(std::span(kFaults).first(kPromisedFaults)),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tessera::cli
