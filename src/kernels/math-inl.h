// Vector exp and GELU, compiled per target. The coefficients are minimax fits made for this file
// (Lawson iteration in double precision); the bounds are those of softmax.h and gelu.h, held by
// tests over sampled floats.
#if defined(TESSERA_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_MATH_INL_H_
#undef TESSERA_KERNELS_MATH_INL_H_
#else
#define TESSERA_KERNELS_MATH_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// exp(x) for x <= 0; 0 below -87 (and for -infinity). NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpNonPositive(D d, V x) {
  // x = n ln 2 + r with |r| <= ln(2) / 2; adding 1.5 * 2^23 rounds to the nearest integer and
  // leaves it in the low bits.
  const V magic = hn::Set(d, 12582912.0f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896341f), magic);
  const V n = hn::Sub(shifted, magic);
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), x);  // 17 bits of ln 2, exact products
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860682030941723e-6f), r);
  V p = hn::Set(d, 0.0013814584f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.008368724f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.041668389f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.16666521f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.49999994f));
  const V one = hn::Set(d, 1.0f);
  p = hn::MulAdd(hn::Mul(r, r), p, hn::Add(r, one));
  // Times 2^n by adding n to the exponent.
  const hn::RebindToSigned<D> di;
  const auto scaled =
      hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0f)), scaled);
}

// x * Phi(x), Phi(x) - 1/2 = x P(x^2) / Q(x^2) on |x| <= 5.5 (fit error 2^-27), constant beyond.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluVector(D d, V x) {
  const V limit = hn::Set(d, 5.5f);
  const V c = hn::Max(hn::Min(x, limit), hn::Neg(limit));
  const V t = hn::Mul(c, c);
  V p = hn::Set(d, 2.27493509e-8f);
  p = hn::MulAdd(p, t, hn::Set(d, 6.35210245e-6f));
  p = hn::MulAdd(p, t, hn::Set(d, 1.68825238e-4f));
  p = hn::MulAdd(p, t, hn::Set(d, 4.67725797e-3f));
  p = hn::MulAdd(p, t, hn::Set(d, 3.38526182e-2f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.398942232f));
  V q = hn::Set(d, 1.19750234e-6f);
  q = hn::MulAdd(q, t, hn::Set(d, 7.36473012e-5f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.88444240e-3f));
  q = hn::MulAdd(q, t, hn::Set(d, 2.86458526e-2f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.251521856f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.0f));
  const V phi = hn::Div(hn::Mul(c, p), q);
  return hn::MulAdd(x, phi, hn::Mul(x, hn::Set(d, 0.5f)));
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_KERNELS_MATH_INL_H_
