// The limit loops run, count and stop; no figure is held to a value.
#include <gtest/gtest.h>

#include "kernels/isa.h"
#include "kernels/machine_limits.h"
#include "kernels/machine_limits_loops.h"

namespace tessera::kernels {
namespace {

const LimitSampling kShort{.seconds = 0.0, .stop = {}};

void ExpectPlausible(const Sampled& s) {
  EXPECT_GE(s.samples, 1);
  EXPECT_GT(s.best, 0.0);
  EXPECT_GT(s.median, 0.0);
}

TEST(MachineLimits, EveryIsaGivesEveryFigure) {
  const Isa before = CurrentIsa();
  ThreadPool pool(2);
  for (const Isa isa : SupportedIsas()) {
    SCOPED_TRACE(IsaName(isa));
    ASSERT_TRUE(SetIsa(isa).ok());
    for (const Precision p : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
      const Sampled s = MeasureOperations(pool, p, kShort);
      ExpectPlausible(s);
      EXPECT_GE(s.best, s.median);
    }
    const Result<Sampled> read = MeasureRead(pool, kMinReadBuffer, kShort);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ExpectPlausible(*read);
  }
  ASSERT_TRUE(SetIsa(before).ok());
}

TEST(MachineLimits, BarrierTakesTheLowestTime) {
  ThreadPool pool(2);
  const Sampled s = MeasureBarrier(pool, {.seconds = 0.01, .stop = {}});
  ExpectPlausible(s);
  EXPECT_LE(s.best, s.median);
}

// A loop whose count is wrong would move every share. A vector form does one, two or four
// multiply-adds for each sum and lane, the scalar one 32.
TEST(MachineLimits, OperationsOfAStepFollowThePrecision) {
  for (const Isa isa : SupportedIsas()) {
    LimitLoops loops;
    FillLimitsRef(loops);
    if (isa != Isa::kScalar) {
#if defined(TESSERA_HAVE_HIGHWAY)
      ASSERT_TRUE(FillLimitsSimd(isa, loops)) << IsaName(isa);
      EXPECT_EQ(loops.bf16.operations_per_step, 2 * loops.f32.operations_per_step);
      EXPECT_EQ(loops.int8.operations_per_step, 4 * loops.f32.operations_per_step);
#endif
    } else {
      EXPECT_EQ(loops.f32.operations_per_step, 64);
      EXPECT_EQ(loops.int8.operations_per_step, 64);
    }
  }
}

TEST(MachineLimits, BufferSizesAreChecked) {
  ThreadPool pool(1);
  EXPECT_EQ(MeasureRead(pool, kMinReadBuffer - 1, kShort).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(MeasureRead(pool, kMaxReadBuffer + 1, kShort).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(MachineLimits, AStopRequestEndsThem) {
  std::stop_source stop;
  stop.request_stop();
  ThreadPool pool(2);
  const LimitSampling stopped{.seconds = 1e9, .stop = stop.get_token()};
  EXPECT_EQ(MeasureOperations(pool, Precision::kF32, stopped).samples, 0);
  EXPECT_EQ(MeasureRead(pool, kMinReadBuffer, stopped)->samples, 0);
  EXPECT_EQ(MeasureBarrier(pool, stopped).samples, 0);
}

}  // namespace
}  // namespace tessera::kernels
