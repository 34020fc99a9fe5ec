#include "audio/finite.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

namespace tessera {
namespace {

// Bits of |x|: larger than any finite number's where x is NaN or infinite. A maximum over them is
// a loop that compilers make vectors of.
uint32_t Magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7FFFFFFF; }
uint64_t Magnitude(double x) { return std::bit_cast<uint64_t>(x) & 0x7FFFFFFFFFFFFFFF; }

template <typename T>
Status Check(std::span<const T> samples, int channels, int sample_rate, int64_t frames_before) {
  auto largest = Magnitude(T(0));
  for (const T x : samples) largest = std::max(largest, Magnitude(x));
  if (largest < Magnitude(std::numeric_limits<T>::infinity())) return OkStatus();
  const auto first =
      std::find_if_not(samples.begin(), samples.end(), [](T x) { return std::isfinite(x); });
  const int64_t frame = frames_before + (first - samples.begin()) / channels;
  char time[40];
  std::snprintf(time, sizeof(time), "%.3f", static_cast<double>(frame) / sample_rate);
  return DataLoss("the sample at " + std::string(time) + " s is " +
                  (std::isnan(*first) ? "not a number (NaN)" : "infinite") +
                  ": the program that wrote it went wrong there; export the recording again, best "
                  "as 16-bit samples");
}

}  // namespace

Status CheckFinite(std::span<const float> samples, int channels, int sample_rate,
                   int64_t frames_before) {
  return Check(samples, channels, sample_rate, frames_before);
}

Status CheckFinite(std::span<const double> samples, int channels, int sample_rate,
                   int64_t frames_before) {
  return Check(samples, channels, sample_rate, frames_before);
}

}  // namespace tessera
