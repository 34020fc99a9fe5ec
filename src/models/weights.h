// Weights as every model family names them. All members are views; `owners` of ModelWeights keeps
// the mapped files (and widened copies) alive.
#ifndef TESSERA_MODELS_WEIGHTS_H_
#define TESSERA_MODELS_WEIGHTS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace tessera {

// weight[out, in] (conv: [out, in, kernel]), bias[out]; bias.data is null where the layer has none
// (Whisper's keys).
struct LinearWeights {
  View weight;
  View bias;
};
struct NormWeights {
  View gamma;
  View beta;
};
struct AttentionWeights {
  LinearWeights query, key, value, out;
};

// What the weights of every family have beside their tables.
struct ModelWeights {
  std::vector<std::shared_ptr<const void>> owners;
  std::vector<std::shared_ptr<const MappedFile>> files;  // that the views come from
  // Gives the pages of the mapped files back after a stage was compiled.
  std::function<void()> release_pages = [] {};
};

// Checks views against the sizes of a configuration; the first failure is kept: DataLoss naming the
// weight whose shape is wrong. `prefix` stands before every name.
class WeightChecker {
 public:
  explicit WeightChecker(std::string prefix) : prefix_(std::move(prefix)) {}
  WeightChecker& Tensor(const std::string& name, const View& view, const Shape& expected);
  WeightChecker& Linear(const std::string& name, const LinearWeights& w, int64_t in, int64_t out,
                        bool bias_required = true);
  WeightChecker& Norm(const std::string& name, const NormWeights& w, int64_t width);
  WeightChecker& Attention(const std::string& name, const AttentionWeights& w, int64_t width,
                           int64_t source_width);
  Status status() { return std::move(status_); }

 private:
  std::string prefix_;
  Status status_;
};

}  // namespace tessera

#endif  // TESSERA_MODELS_WEIGHTS_H_
