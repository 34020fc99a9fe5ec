// RangeObserver: what values a model's stages take on real input.
//
// Wrap() gives a backend that compiles each model with more outputs: the least and the largest
// element of every float value, and the mean of each column of what is multiplied by weights; it
// collects them at every run. So ranges come from the very models that are quantized afterwards,
// run as they run in use. Thread-safe.
#ifndef TESSERA_PROVIDERS_QUANTIZE_OBSERVER_H_
#define TESSERA_PROVIDERS_QUANTIZE_OBSERVER_H_

#include <memory>
#include <mutex>
#include <string>

#include "providers/fixed/backend.h"
#include "providers/quantize/quantization.h"

namespace tessera {

class RangeObserver : public std::enable_shared_from_this<RangeObserver> {
 public:
  // `backend` computes in f32 ("onnxruntime:cpu"). Models must be of the step form's kind: float
  // values of fixed shapes, integers only as initializers.
  std::shared_ptr<const FixedBackend> Wrap(std::shared_ptr<const FixedBackend> backend);
  // Of all runs so far; stages without a run are absent.
  std::map<std::string, StageStatistics, std::less<>> Statistics() const;

  // Forgets all runs.
  void Reset();

  // Adds one run.
  void Include(const std::string& stage, const StageStatistics& run);

 private:
  struct Stage {
    StageStatistics sums;  // means: their sum over the runs
    double runs = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Stage, std::less<>> stages_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_QUANTIZE_OBSERVER_H_
