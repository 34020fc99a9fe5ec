#include "models/weight_collector.h"

namespace tessera {

WeightCollector::WeightCollector(const WeightFile& file, ModelWeights& weights, std::string family)
    : file_(file), weights_(weights), family_(std::move(family)) {
  weights_.owners.push_back(file.owner());
  weights_.files = file.mappings();
  weights_.release_pages = [file] { file.ReleasePages(); };
}

void WeightCollector::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

View WeightCollector::GetOptional(const std::string& name) {
  return file_.Find(name) == nullptr ? View{} : Get(name);
}

View WeightCollector::Get(const std::string& name) {
  if (!status_.ok()) return {};
  Result<const Weight*> found = file_.Get(name);
  if (!found.ok()) {
    Fail(DataLoss(found.status().message() + "; is this a " + family_ + " model?"));
    return {};
  }
  const Weight& weight = **found;
  const bool is_float = weight.view.dtype == DType::kF32 || weight.view.dtype == DType::kF16 ||
                        weight.view.dtype == DType::kBF16;
  if (weight.encoding == WeightEncoding::kPlain && is_float) return weight.view;
  Result<Tensor> widened = ToF32(weight);
  if (!widened.ok()) {
    Fail(DataLoss(name + ": " + widened.status().message()));
    return {};
  }
  auto kept = std::make_shared<Tensor>(std::move(widened).value());
  const View view = kept->ViewOf();
  weights_.owners.push_back(std::move(kept));
  return view;
}

LinearWeights WeightCollector::Linear(const std::string& name, const std::string& separator) {
  return {Get(name + separator + "weight"), GetOptional(name + separator + "bias")};
}

}  // namespace tessera
