#include "audio/resampler.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.h"

namespace tessera {
namespace {

constexpr int kZeroCrossings = 32;
constexpr int kMaxPhases = 1024;
constexpr double kCutoff = 0.97;
constexpr double kKaiserBeta = 9;
constexpr int kLanes =
    8;  // independent sums: the order of additions is fixed, and compilers make vectors of them

// Modified Bessel function of the first kind, order 0, by its power series (converges fast for x <=
// 9).
double BesselI0(double x) {
  const double quarter = x * x / 4;
  double term = 1, sum = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= quarter / (static_cast<double>(k) * k);
    sum += term;
  }
  return sum;
}

// How a sample type is filtered: coefficients, sums and the way back.
template <typename T>
struct Arithmetic {
  using Sum = T;
  static T Coefficient(double x) { return static_cast<T>(x); }
  static Sum Product(T a, T b) { return a * b; }
  static Sum Between(Sum a, Sum b, int64_t frac, int64_t unit) {
    return a + (b - a) * static_cast<T>(static_cast<double>(frac) / static_cast<double>(unit));
  }
  static T Round(Sum x) { return x; }
};
template <>
struct Arithmetic<int16_t> {
  using Sum = uint32_t;  // two's complement; extreme input wraps, as in ffmpeg
  static int16_t Coefficient(double x) {
    return static_cast<int16_t>(std::clamp(std::nearbyint(x * 32768), -32768.0, 32767.0));
  }
  static Sum Product(int16_t a, int16_t b) { return static_cast<Sum>(int32_t{a} * int32_t{b}); }
  static Sum Between(Sum a, Sum b, int64_t frac, int64_t unit) {
    const int64_t low = static_cast<int32_t>(a), high = static_cast<int32_t>(b);
    return static_cast<Sum>(low + (high - low) * frac / unit);
  }
  static int16_t Round(Sum x) {
    return static_cast<int16_t>(std::clamp(static_cast<int32_t>(x + 16384) >> 15, -32768, 32767));
  }
};

template <typename T>
typename Arithmetic<T>::Sum Dot(const T* a, const T* b, int count) {
  typename Arithmetic<T>::Sum sums[kLanes] = {};
  for (int i = 0; i < count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] += Arithmetic<T>::Product(a[i + lane], b[i + lane]);
    }
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

}  // namespace

template <typename T>
Resampler<T>::Resampler(int in_rate, int out_rate) {
  TESSERA_CHECK(in_rate > 0 && out_rate > 0 && in_rate != out_rate);
  const double factor = std::min(out_rate * kCutoff / in_rate, 1.0);
  taps_ = static_cast<int>(std::ceil(kZeroCrossings / factor));
  taps_ += taps_ % 2;
  stride_ = (taps_ + kLanes - 1) / kLanes * kLanes;
  const int exact_phases = out_rate / std::gcd(in_rate, out_rate);
  phase_count_ = std::min(exact_phases, kMaxPhases);
  const int64_t advance = int64_t{in_rate} * phase_count_;
  const int64_t divisor = std::gcd(advance, int64_t{out_rate});
  frac_unit_ = out_rate / divisor;
  step_ = advance / divisor / frac_unit_;
  step_frac_ = advance / divisor % frac_unit_;
  BuildFilters(factor);
}

template <typename T>
void Resampler<T>::BuildFilters(double factor) {
  const int center = (taps_ - 1) / 2;
  auto filters = std::make_shared<std::vector<T>>(
      static_cast<size_t>(phase_count_ + 1) * static_cast<size_t>(stride_), T(0));
  std::vector<double> row(static_cast<size_t>(taps_));
  double norm = 0;  // of phase 0, for all phases
  for (int phase = 0; phase <= phase_count_; ++phase) {
    for (int i = 0; i < taps_; ++i) {
      const double distance = (i - center) - static_cast<double>(phase) / phase_count_;
      const double x = std::numbers::pi * distance * factor;
      const double w = 2 * distance / taps_;
      const double window = BesselI0(kKaiserBeta * std::sqrt(std::max(1 - w * w, 0.0)));
      row[static_cast<size_t>(i)] = (x == 0 ? 1.0 : std::sin(x) / x) * window;
    }
    if (phase == 0) norm = std::accumulate(row.begin(), row.end(), 0.0);
    T* filter = filters->data() + static_cast<ptrdiff_t>(phase) * stride_;
    for (int i = 0; i < taps_; ++i)
      filter[i] = Arithmetic<T>::Coefficient(row[static_cast<size_t>(i)] / norm);
  }
  filters_ = std::move(filters);
}

// Puts the mirror image of the first samples before them: x[-n] = x[n].
template <typename T>
void Resampler<T>::MirrorStart() {
  started_ = true;
  const int64_t center = (taps_ - 1) / 2, available = static_cast<int64_t>(buffer_.size());
  std::vector<T> mirrored(static_cast<size_t>(center));
  for (int64_t n = 1; n <= center; ++n) {
    mirrored[static_cast<size_t>(center - n)] =
        n < available ? buffer_[static_cast<size_t>(n)] : T(0);
  }
  buffer_.insert(buffer_.begin(), mirrored.begin(), mirrored.end());
}

template <typename T>
void Resampler<T>::Run(std::vector<T>& out) {
  const int64_t available = static_cast<int64_t>(buffer_.size());
  // Room for the vector loop, which reads stride_ samples where the filter has taps_ (the rest
  // times 0).
  buffer_.resize(buffer_.size() + static_cast<size_t>(stride_ - taps_), T(0));
  while (begin_ + taps_ <= available) {
    const T* filter = filters_->data() + phase_ * stride_;
    auto value = Dot(buffer_.data() + begin_, filter, stride_);
    if (step_frac_ != 0) {
      const auto next = Dot(buffer_.data() + begin_, filter + stride_, stride_);
      value = Arithmetic<T>::Between(value, next, frac_, frac_unit_);
    }
    out.push_back(Arithmetic<T>::Round(value));
    phase_ += step_;
    frac_ += step_frac_;
    if (frac_ >= frac_unit_) {
      frac_ -= frac_unit_;
      ++phase_;
    }
    begin_ += phase_ / phase_count_;
    phase_ %= phase_count_;
  }
  buffer_.resize(static_cast<size_t>(available));
  const int64_t done = std::min(begin_, available);
  buffer_.erase(buffer_.begin(), buffer_.begin() + done);
  begin_ -= done;
}

template <typename T>
void Resampler<T>::Push(std::span<const T> in, std::vector<T>& out) {
  buffer_.insert(buffer_.end(), in.begin(), in.end());
  if (!started_) {
    if (static_cast<int64_t>(buffer_.size()) <= taps_) return;
    MirrorStart();
  }
  Run(out);
}

template <typename T>
void Resampler<T>::Flush(std::vector<T>& out) {
  if (buffer_.empty() && !started_) return;
  if (!started_) MirrorStart();
  const int64_t rest = static_cast<int64_t>(buffer_.size()) - begin_;
  if (rest <= 0) return;
  const int64_t mirrored = (std::min<int64_t>(rest, taps_) + 1) / 2;
  for (int64_t i = 0, last = static_cast<int64_t>(buffer_.size()) - 1; i < mirrored; ++i) {
    buffer_.push_back(buffer_[static_cast<size_t>(last - i)]);
  }
  Run(out);
}

template class Resampler<int16_t>;
template class Resampler<float>;
template class Resampler<double>;

}  // namespace tessera
