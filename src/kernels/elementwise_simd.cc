// The kernels of elementwise.h for every vector instruction set.
#include "kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise_simd.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/dispatch.h"
#if TESSERA_SIMD_TARGET
#include "kernels/math-inl.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {

// Calls f(index, count) for each whole vector, and once for the rest with count < kLanes.
template <class F>
HWY_INLINE void ForEachVector(int64_t n, F&& f) {
  const int64_t lanes = static_cast<int64_t>(kLanes);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, kLanes);
  if (i < n) f(i, static_cast<size_t>(n - i));
}

// With e = exp(-|x|): 1 / (1 + e), and e / (1 + e) for negative x, so that no exp overflows.
HWY_INLINE VF SigmoidVector(VF x) {
  const DF d;
  const VF e = ExpNonPositive(d, hn::Neg(hn::Abs(x)));
  const VF numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, hn::Set(d, 1.0f));
  return hn::Div(numerator, hn::Add(hn::Set(d, 1.0f), e));
}

// With e = exp(-2 |x|): (1 - e) / (1 + e) with the sign of x. Good to an absolute, not a relative
// error: a cell adds the result to values of order one.
HWY_INLINE VF TanhVector(VF x) {
  const DF d;
  const VF one = hn::Set(d, 1.0f);
  const VF e = ExpNonPositive(d, hn::Mul(hn::Abs(x), hn::Set(d, -2.0f)));
  return hn::CopySign(hn::Div(hn::Sub(one, e), hn::Add(one, e)), x);
}

void ReluT(const float* x, int64_t n, float* y) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    const VF v = LoadUpTo(x + i, count);
    // A maximum would drop NaN on some targets.
    StoreUpTo(hn::IfThenZeroElse(hn::Lt(v, hn::Zero(DF())), v), DF(), y + i, count);
  });
}

void SigmoidT(const float* x, int64_t n, float* y) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    StoreUpTo(SigmoidVector(LoadUpTo(x + i, count)), DF(), y + i, count);
  });
}

void MagnitudeT(const float* re, const float* im, int64_t n, float* y) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    const VF a = LoadUpTo(re + i, count), b = LoadUpTo(im + i, count);
    StoreUpTo(hn::Sqrt(hn::MulAdd(a, a, hn::Mul(b, b))), DF(), y + i, count);
  });
}

void LstmCellsT(const float* gates, int64_t n, float* cell, float* hidden) {
  ForEachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    const VF input = SigmoidVector(LoadUpTo(gates + i, count));
    const VF forget = SigmoidVector(LoadUpTo(gates + n + i, count));
    const VF candidate = TanhVector(LoadUpTo(gates + 2 * n + i, count));
    const VF output = SigmoidVector(LoadUpTo(gates + 3 * n + i, count));
    const VF c = hn::MulAdd(forget, LoadUpTo(cell + i, count), hn::Mul(input, candidate));
    StoreUpTo(c, DF(), cell + i, count);
    StoreUpTo(hn::Mul(output, TanhVector(c)), DF(), hidden + i, count);
  });
}

void FillElementwise(KernelTable& table) {
  table.relu = ReluT;
  table.sigmoid = SigmoidT;
  table.magnitude = MagnitudeT;
  table.lstm_cells = LstmCellsT;
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();
#endif  // TESSERA_SIMD_TARGET

#if HWY_ONCE
namespace tessera::kernels {
bool FillElementwiseSimd(Isa isa, KernelTable& table) { TESSERA_FILL(isa, FillElementwise, table); }
}  // namespace tessera::kernels
#endif  // HWY_ONCE
