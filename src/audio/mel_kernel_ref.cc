// Portable instance of the log-mel kernels, for builds without Highway.
#include "audio/mel_kernel.h"

#ifndef TESSERA_HAVE_HIGHWAY

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

// Eight lanes as a plain array: compilers turn the loops into whatever vectors the baseline has.
struct Lanes {
  static constexpr int kLanes = 8;
  struct V {
    float lane[kLanes];
    friend V operator+(V a, const V& b) {
      for (int i = 0; i < kLanes; ++i) a.lane[i] += b.lane[i];
      return a;
    }
    friend V operator-(V a, const V& b) {
      for (int i = 0; i < kLanes; ++i) a.lane[i] -= b.lane[i];
      return a;
    }
    friend V operator*(V a, const V& b) {
      for (int i = 0; i < kLanes; ++i) a.lane[i] *= b.lane[i];
      return a;
    }
  };
  static V Load(const float* p) {
    V v;
    std::copy_n(p, kLanes, v.lane);
    return v;
  }
  static void Store(const V& v, float* p) { std::copy_n(v.lane, kLanes, p); }
  static V Set(float x) {
    V v;
    std::fill_n(v.lane, kLanes, x);
    return v;
  }
};

#include "audio/mel_kernel-inl.h"

}  // namespace

void MelPowerFrames(const float* samples, int64_t count, const MelFilters& filters, float* out) {
  MelPowerFramesT<Lanes>(samples, count, filters, out);
}

void MelLogScale(float* values, int64_t count, float log_floor) {
  for (int64_t i = 0; i < count; ++i) {
    values[i] = (std::max(std::log10(std::max(values[i], 1e-10f)), log_floor) + 4.0f) * 0.25f;
  }
}

}  // namespace tessera

#endif  // TESSERA_HAVE_HIGHWAY
