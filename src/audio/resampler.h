// Streaming sample-rate conversion with the filter of ffmpeg's libswresample in its default
// settings, so that the result is ffmpeg's to within rounding: sinc of 32 zero crossings under a
// Kaiser window (beta 9), cut off at 0.97 of the lower Nyquist frequency; one filter a phase where
// the ratio has at most 1024 phases, else 1024 phases with linear interpolation between them. The
// edges are the signal mirrored: at the start around the first sample, at the end behind the last.
//
// T is float or double (ffmpeg computes 64-bit float sources in double). Not thread-safe. The
// result does not depend on how the input is cut into pieces.
#ifndef TESSERA_AUDIO_RESAMPLER_H_
#define TESSERA_AUDIO_RESAMPLER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera {

template <typename T>
class Resampler {
 public:
  // Rates in Hz, 1 to 768000, not equal.
  Resampler(int in_rate, int out_rate);

  // Appends to `out` what the input so far allows.
  void Push(std::span<const T> in, std::vector<T>& out);
  // Appends the rest. Nothing may be pushed afterwards.
  void Flush(std::vector<T>& out);

 private:
  void BuildFilters(double factor);
  void MirrorStart();
  void Run(std::vector<T>& out);

  int phase_count_ = 0;
  int taps_ = 0;    // a multiple of 2
  int stride_ = 0;  // taps_ rounded up for the vector loop; the rest is 0
  std::shared_ptr<const std::vector<T>> filters_;  // [phase_count_ + 1, stride_]; copies share it
  int64_t step_ = 0;  // whole phases between outputs, and the fraction step_frac_ / frac_unit_
  int64_t step_frac_ = 0;
  int64_t frac_unit_ = 1;
  int64_t phase_ = 0;  // of the next output, >= 0, < phase_count_ after Run()
  int64_t frac_ = 0;
  bool started_ = false;
  int64_t begin_ = 0;      // of the next output's filter, in buffer_
  std::vector<T> buffer_;  // input not yet done with
};

extern template class Resampler<int16_t>;
extern template class Resampler<float>;
extern template class Resampler<double>;

}  // namespace tessera

#endif  // TESSERA_AUDIO_RESAMPLER_H_
