// Templates over a vector type, to be included inside a namespace, once an instruction set. No
// include guard on purpose.
//
// Lanes<...>: V, kLanes, Load(const float*), Store(V, float*), Set(float), and + - * on V.
//
// A real sequence of 400 is packed as 200 complex numbers (even samples real, odd samples
// imaginary), transformed by a Stockham FFT of radices 5, 5 and 8, and separated into the 201 bins
// of the real spectrum.

template <class L>
struct MelBuffers {
  static constexpr int kPoints = kFftLength / 2;
  alignas(64) float re[2][kPoints * L::kLanes];
  alignas(64) float im[2][kPoints * L::kLanes];
  alignas(64) float power[kNumFrequencies * L::kLanes];
};

template <class V>
struct Complex {
  V re, im;
};
// Not friends: g++ compiles a friend of a class template without the instruction set of the pragma.
template <class V>
Complex<V> operator+(Complex<V> a, Complex<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
Complex<V> operator-(Complex<V> a, Complex<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V>
Complex<V> Scale(Complex<V> a, V s) {
  return {a.re * s, a.im * s};
}
// a * (c + i s)
template <class V>
Complex<V> Rotate(Complex<V> a, V c, V s) {
  return {a.re * c - a.im * s, a.re * s + a.im * c};
}
template <class L>
void Dft5(Complex<typename L::V>* a) {
  using C = Complex<typename L::V>;
  const auto c1 = L::Set(0.30901699437494745f), s1 = L::Set(0.95105651629515353f);
  const auto c2 = L::Set(-0.80901699437494745f), s2 = L::Set(0.58778525229247314f);
  const C sum14 = a[1] + a[4], diff14 = a[1] - a[4], sum23 = a[2] + a[3], diff23 = a[2] - a[3];
  const C even1 = a[0] + Scale(sum14, c1) + Scale(sum23, c2);
  const C even2 = a[0] + Scale(sum14, c2) + Scale(sum23, c1);
  // -i * (sine terms)
  const C t1 = Scale(diff14, s1) + Scale(diff23, s2), t2 = Scale(diff14, s2) - Scale(diff23, s1);
  const C odd1{t1.im, L::Set(0.0f) - t1.re}, odd2{t2.im, L::Set(0.0f) - t2.re};
  a[0] = a[0] + sum14 + sum23;
  a[1] = even1 + odd1;
  a[4] = even1 - odd1;
  a[2] = even2 + odd2;
  a[3] = even2 - odd2;
}

template <class L>
void Dft4(Complex<typename L::V>& a0, Complex<typename L::V>& a1, Complex<typename L::V>& a2,
          Complex<typename L::V>& a3) {
  using C = Complex<typename L::V>;
  const C sum02 = a0 + a2, diff02 = a0 - a2, sum13 = a1 + a3, diff13 = a1 - a3;
  const C turned{diff13.im, L::Set(0.0f) - diff13.re};
  a0 = sum02 + sum13;
  a2 = sum02 - sum13;
  a1 = diff02 + turned;
  a3 = diff02 - turned;
}

template <class L>
void Dft8(Complex<typename L::V>* a) {
  using C = Complex<typename L::V>;
  Dft4<L>(a[0], a[2], a[4], a[6]);
  Dft4<L>(a[1], a[3], a[5], a[7]);
  const auto h = L::Set(0.70710678118654752f);
  const C o0 = a[1];
  const C o1 = Rotate(a[3], h, L::Set(0.0f) - h);
  const C o2{a[5].im, L::Set(0.0f) - a[5].re};
  const C o3 = Rotate(a[7], L::Set(0.0f) - h, L::Set(0.0f) - h);
  const C e0 = a[0], e1 = a[2], e2 = a[4], e3 = a[6];
  a[0] = e0 + o0;
  a[1] = e1 + o1;
  a[2] = e2 + o2;
  a[3] = e3 + o3;
  a[4] = e0 - o0;
  a[5] = e1 - o1;
  a[6] = e2 - o2;
  a[7] = e3 - o3;
}

// One Stockham pass: `length` points are still to be transformed in each of `stride` interleaved
// sequences.
template <class L, int kRadix>
void StockhamPass(const MelTables& tables, int length, int stride, const float* in_re,
                  const float* in_im, float* out_re, float* out_im) {
  const int groups = length / kRadix;
  for (int p = 0; p < groups; ++p) {
    for (int q = 0; q < stride; ++q) {
      Complex<typename L::V> a[kRadix];
      for (int k = 0; k < kRadix; ++k) {
        const int at = (q + stride * (p + groups * k)) * L::kLanes;
        a[k] = {L::Load(in_re + at), L::Load(in_im + at)};
      }
      if constexpr (kRadix == 5) {
        Dft5<L>(a);
      } else {
        Dft8<L>(a);
      }
      for (int k = 0; k < kRadix; ++k) {
        const int turn = p * k * (kFftLength / length);  // < 400: the table's circle
        if (turn != 0) {
          a[k] = Rotate(a[k], L::Set(tables.cosine[turn]), L::Set(tables.minus_sine[turn]));
        }
        const int at = (q + stride * (kRadix * p + k)) * L::kLanes;
        L::Store(a[k].re, out_re + at);
        L::Store(a[k].im, out_im + at);
      }
    }
  }
}

// Power spectrum of kLanes frames; `frames` <= kLanes of them are real, the other lanes are zero.
template <class L>
void PowerSpectrum(const MelTables& tables, const float* samples, int frames, MelBuffers<L>& b) {
  constexpr int kPoints = MelBuffers<L>::kPoints;
  for (int lane = 0; lane < L::kLanes; ++lane) {
    const float* x = samples + static_cast<int64_t>(lane) * kHopLength;
    for (int n = 0; n < kPoints; ++n) {
      const bool real = lane < frames;
      b.re[0][n * L::kLanes + lane] = real ? x[2 * n] * tables.half_hann[2 * n] : 0.0f;
      b.im[0][n * L::kLanes + lane] = real ? x[2 * n + 1] * tables.half_hann[2 * n + 1] : 0.0f;
    }
  }
  StockhamPass<L, 5>(tables, 200, 1, b.re[0], b.im[0], b.re[1], b.im[1]);
  StockhamPass<L, 5>(tables, 40, 5, b.re[1], b.im[1], b.re[0], b.im[0]);
  StockhamPass<L, 8>(tables, 8, 25, b.re[0], b.im[0], b.re[1], b.im[1]);
  for (int k = 0; k <= kPoints / 2; ++k) {
    const int mirror = (kPoints - k) % kPoints;
    const auto zr = L::Load(b.re[1] + k * L::kLanes), zi = L::Load(b.im[1] + k * L::kLanes);
    const auto mr = L::Load(b.re[1] + mirror * L::kLanes);
    const auto mi = L::Load(b.im[1] + mirror * L::kLanes);
    // Spectra of the even and the odd samples; the window already holds the factor 1/2.
    const Complex<typename L::V> even{zr + mr, zi - mi}, odd{zi + mi, mr - zr};
    const auto turned = Rotate(odd, L::Set(tables.cosine[k]), L::Set(tables.minus_sine[k]));
    const auto low = even + turned, high = even - turned;
    L::Store(low.re * low.re + low.im * low.im, b.power + k * L::kLanes);
    L::Store(high.re * high.re + high.im * high.im, b.power + (kPoints - k) * L::kLanes);
  }
}

template <class L>
void MelPowerFramesT(const float* samples, int64_t count, const MelFilters& filters, float* out) {
  const MelTables& tables = GetMelTables();
  MelBuffers<L> buffers;
  alignas(64) float lanes[L::kLanes];
  for (int64_t first = 0; first < count; first += L::kLanes) {
    const int frames = static_cast<int>(count - first < L::kLanes ? count - first : L::kLanes);
    PowerSpectrum<L>(tables, samples + first * kHopLength, frames, buffers);
    for (int mel = 0; mel < filters.num_mels; ++mel) {
      auto sum = L::Set(0.0f);
      const float* power = buffers.power + filters.first_bin[mel] * L::kLanes;
      for (int i = filters.row_begin[mel]; i < filters.row_begin[mel + 1];
           ++i, power += L::kLanes) {
        sum = sum + L::Set(filters.weights[i]) * L::Load(power);
      }
      L::Store(sum, lanes);
      for (int lane = 0; lane < frames; ++lane) {
        out[(first + lane) * filters.num_mels + mel] = lanes[lane];
      }
    }
  }
}
