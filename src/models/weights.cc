#include "models/weights.h"

namespace tessera {

WeightChecker& WeightChecker::Tensor(const std::string& name, const View& view,
                                     const Shape& expected) {
  const bool is_float =
      view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16;
  if (status_.ok() && (view.data == nullptr || view.shape != expected || !is_float)) {
    status_ = DataLoss(
        prefix_ + name + ": expected a float tensor " + ShapeToString(expected) + ", found " +
        (view.data == nullptr
             ? "nothing"
             : std::string(DTypeName(view.dtype)) + " " + ShapeToString(view.shape)) +
        "; the model file does not fit its configuration");
  }
  return *this;
}

WeightChecker& WeightChecker::Linear(const std::string& name, const LinearWeights& w, int64_t in,
                                     int64_t out, bool bias_required) {
  Tensor(name + ".weight", w.weight, {out, in});
  if (bias_required || w.bias.data != nullptr) Tensor(name + ".bias", w.bias, {out});
  return *this;
}

WeightChecker& WeightChecker::Norm(const std::string& name, const NormWeights& w, int64_t width) {
  return Tensor(name + ".gamma", w.gamma, {width}).Tensor(name + ".beta", w.beta, {width});
}

WeightChecker& WeightChecker::Attention(const std::string& name, const AttentionWeights& w,
                                        int64_t width, int64_t source_width) {
  return Linear(name + ".query", w.query, width, width)
      .Linear(name + ".key", w.key, source_width, width, false)
      .Linear(name + ".value", w.value, source_width, width)
      .Linear(name + ".out", w.out, width, width);
}

}  // namespace tessera
