// Collects a model's weights by name from a file of any format.
#ifndef TESSERA_MODELS_WEIGHT_COLLECTOR_H_
#define TESSERA_MODELS_WEIGHT_COLLECTOR_H_

#include <string>

#include "formats/weights.h"
#include "models/weights.h"

namespace tessera {

// The first failure is kept and everything after it is skipped. Plain floats stay views into the
// file; quantised weights are widened to f32 once. What is taken stays alive with `weights`.
class WeightCollector {
 public:
  // `family` completes messages: "is this a FAMILY model?"
  WeightCollector(const WeightFile& file, ModelWeights& weights, std::string family);

  View Get(const std::string& name);
  // No data when absent.
  View GetOptional(const std::string& name);
  NormWeights Norm(const std::string& gamma, const std::string& beta) {
    return {Get(gamma), Get(beta)};
  }
  // NAME.weight and NAME.bias, or with another separator. The bias may be absent.
  LinearWeights Linear(const std::string& name, const std::string& separator = ".");
  const Status& status() const { return status_; }
  void Fail(Status status);

 private:
  const WeightFile& file_;
  ModelWeights& weights_;
  const std::string family_;
  Status status_;
};

}  // namespace tessera

#endif  // TESSERA_MODELS_WEIGHT_COLLECTOR_H_
