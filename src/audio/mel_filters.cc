// Slaney's mel scale: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 mels for a
// factor 6.4).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "audio/log_mel.h"
#include "audio/mel_kernel.h"

namespace tessera {
namespace {

constexpr double kHzPerMel = 200.0 / 3;
constexpr double kLogStartHz = 1000;
constexpr double kLogStartMel = kLogStartHz / kHzPerMel;

constexpr double kSmallestWeight = 1e-12;  // a bin on a triangle's corner, but for rounding

double LogStep() { return std::log(6.4) / 27; }

double HzToMel(double hz) {
  return hz < kLogStartHz ? hz / kHzPerMel : kLogStartMel + std::log(hz / kLogStartHz) / LogStep();
}

double MelToHz(double mel) {
  return mel < kLogStartMel ? mel * kHzPerMel
                            : kLogStartHz * std::exp((mel - kLogStartMel) * LogStep());
}

}  // namespace

MelFilters MakeMelFilters(int num_mels) {
  MelFilters filters;
  filters.num_mels = num_mels;
  filters.row_begin.push_back(0);
  const double mel_step = HzToMel(kSampleRate / 2.0) / (num_mels + 1);
  for (int mel = 0; mel < num_mels; ++mel) {
    const double left = MelToHz(mel * mel_step), peak = MelToHz((mel + 1) * mel_step);
    const double right = MelToHz((mel + 2) * mel_step);
    int first = -1;
    for (int bin = 0; bin < kNumFrequencies; ++bin) {
      const double hz = static_cast<double>(bin) * kSampleRate / kFftLength;
      const double weight = std::min((hz - left) / (peak - left), (right - hz) / (right - peak));
      if (weight <= kSmallestWeight) continue;
      if (first < 0) first = bin;
      filters.weights.push_back(static_cast<float>(weight * 2 / (right - left)));
    }
    filters.first_bin.push_back(std::max(first, 0));
    filters.row_begin.push_back(static_cast<int>(filters.weights.size()));
  }
  return filters;
}

const MelTables& GetMelTables() {
  static const MelTables tables = [] {
    MelTables t;
    for (int n = 0; n < kFftLength; ++n) {
      const double angle = 2 * std::numbers::pi * n / kFftLength;
      t.half_hann[n] = static_cast<float>(0.5 - 0.5 * std::cos(angle)) * 0.5f;
      t.cosine[n] = static_cast<float>(std::cos(angle));
      t.minus_sine[n] = static_cast<float>(-std::sin(angle));
    }
    return t;
  }();
  return tables;
}

}  // namespace tessera
