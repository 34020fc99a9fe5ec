#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <new>

#include "base/check.h"
#include "base/guarded_thread.h"

namespace tessera {
namespace {

using End = GuardedThread::End;
constexpr GuardedThread::Limits kLong{std::chrono::hours(1), std::chrono::hours(1)};
constexpr GuardedThread::Limits kShort{std::chrono::milliseconds(1), std::chrono::milliseconds(1)};

const std::atomic<bool> kNever = false;

// Runs on until it is let go, whatever it is asked.
struct Stubborn {
  Status operator()(std::stop_token) const {
    let_go->wait(false);
    return OkStatus();
  }
  std::shared_ptr<std::atomic<bool>> let_go = std::make_shared<std::atomic<bool>>(false);
  void LetGo() const {
    *let_go = true;
    let_go->notify_all();
  }
};

Status UntilStopped(std::stop_token stop) {
  std::promise<void> stopped;
  const std::stop_callback callback(stop, [&] { stopped.set_value(); });
  stopped.get_future().wait();
  return Cancelled("asked");
}

TEST(GuardedThreadTest, GivesWhatCallsReturnAndDropsWhatTheyOwn) {
  GuardedThread thread;
  const auto owned = std::make_shared<int>(7);
  for (int i = 0; i < 100; ++i) {
    int seen = 0;
    const auto outcome = thread.Call(
        [owned, &seen](std::stop_token) {
          seen = *owned;
          return DataLoss("that");
        },
        kLong, {}, kNever);
    EXPECT_EQ(outcome.end, End::kReturned);
    EXPECT_EQ(outcome.status.code(), StatusCode::kDataLoss);
    EXPECT_EQ(seen, 7);
    EXPECT_EQ(owned.use_count(), 1);
  }
}

TEST(GuardedThreadTest, ExceptionsAreErrors) {
  GuardedThread thread;
  auto outcome =
      thread.Call([](std::stop_token) -> Status { throw std::bad_alloc(); }, kLong, {}, kNever);
  EXPECT_EQ(outcome.status.code(), StatusCode::kResourceExhausted);
  outcome = thread.Call([](std::stop_token) -> Status { throw std::runtime_error("why"); }, kLong,
                        {}, kNever);
  EXPECT_EQ(outcome.status.code(), StatusCode::kInternal);
  EXPECT_EQ(outcome.status.message(), "why");
}

TEST(GuardedThreadTest, ACallThatTakesTooLongIsAskedToEnd) {
  GuardedThread thread;
  auto outcome = thread.Call(UntilStopped, {std::chrono::milliseconds(1), kLong.grace}, {}, kNever);
  EXPECT_EQ(outcome.end, End::kStoppedInGrace);
  EXPECT_EQ(outcome.status.code(), StatusCode::kCancelled);
  // One that succeeds late has succeeded, and the thread is as good as before.
  outcome = thread.Call(
      [](std::stop_token stop) {
        static_cast<void>(UntilStopped(stop));
        return OkStatus();
      },
      {std::chrono::milliseconds(1), kLong.grace}, {}, kNever);
  EXPECT_EQ(outcome.end, End::kReturned);
  EXPECT_TRUE(outcome.status.ok());
}

TEST(GuardedThreadTest, AStopEndsACall) {
  GuardedThread thread;
  std::stop_source stop;
  const auto outcome = thread.Call(
      [&](std::stop_token own) {
        stop.request_stop();
        return UntilStopped(own);
      },
      kLong, stop.get_token(), kNever);
  EXPECT_EQ(outcome.end, End::kReturned);
  EXPECT_EQ(outcome.status.code(), StatusCode::kCancelled);
}

TEST(GuardedThreadTest, ACallThatDoesNotEndIsGivenUp) {
  const Stubborn call;
  {
    GuardedThread thread;
    const auto outcome = thread.Call(call, kShort, {}, kNever);
    EXPECT_EQ(outcome.end, End::kGivenUp);
    EXPECT_EQ(outcome.status.code(), StatusCode::kDeadlineExceeded);
  }
  EXPECT_GT(call.let_go.use_count(), 1) << "a call that runs on owns what it uses";
  EXPECT_TRUE(AnyCallGivenUp());
  call.LetGo();
}

TEST(GuardedThreadTest, AStopAndHurryGiveUpBeforeTheLimit) {
  const Stubborn stopped, hurried;
  std::stop_source stop;
  stop.request_stop();
  const GuardedThread::Limits limits{kLong.time, kShort.grace};
  GuardedThread one, other;
  EXPECT_EQ(one.Call(stopped, limits, stop.get_token(), kNever).status.code(),
            StatusCode::kCancelled);
  const std::atomic<bool> hurry = true;
  const auto outcome = other.Call(hurried, limits, {}, hurry);
  EXPECT_EQ(outcome.end, End::kGivenUp);
  EXPECT_EQ(outcome.status.code(), StatusCode::kDeadlineExceeded);
  stopped.LetGo();
  hurried.LetGo();
}

// A library whose way of stopping hangs too.
TEST(GuardedThreadTest, AStopThatHangsIsNotWaitedFor) {
  const Stubborn call;
  GuardedThread thread;
  const auto outcome = thread.Call(
      [call](std::stop_token own) {
        const std::stop_callback hangs(own, [call] { call.let_go->wait(false); });
        return call(own);
      },
      kShort, {}, kNever);
  EXPECT_EQ(outcome.end, End::kGivenUp);
  call.LetGo();
}

}  // namespace
}  // namespace tessera
