// Factors for the columns of what 8-bit Linears read (rotation.h).
//
// Behind the rotation all columns of a row share one step, as those of a row of weights do. With
// a_j and b_j the sizes of column j of x and of W, the two rounding errors together are
// proportional to |F a| |b / F|, which is least for F_j = sqrt(b_j / a_j). b is known; so is a
// behind a LayerNorm, whose output has mean beta and deviation gamma. Elsewhere a is taken as even.
#include <algorithm>
#include <cmath>

#include "kernels/rotation.h"
#include "kernels/widen.h"
#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {
namespace {

// Sizes below this share of their mean are not trusted.
constexpr double kLeastSize = 1e-3;

// To a mean square of 1 and at least kLeastSize. False for all zeros and what is not finite.
bool NormaliseSizes(std::vector<double>& squares) {
  double sum = 0;
  for (const double square : squares) sum += square;
  const double mean = sum / static_cast<double>(squares.size());
  if (!std::isfinite(mean) || mean < 1e-30) return false;
  for (double& square : squares) square = std::max(square / mean, kLeastSize * kLeastSize);
  return true;
}

void Fill(const FactorJob& job, int64_t k) {
  std::vector<double> a(static_cast<size_t>(k), 1.0), b(static_cast<size_t>(k), 0.0);
  if (job.norm) {
    for (int64_t j = 0; j < k; ++j)
      a[j] = double{job.norm->gamma[j]} * job.norm->gamma[j] +
             double{job.norm->beta[j]} * job.norm->beta[j];
  }
  std::vector<float> row(static_cast<size_t>(k));
  for (const kernels::LinearSource& source : job.sources) {
    for (int64_t i = 0; i < source.weight.shape[0]; ++i) {
      kernels::WidenFloats(source.weight.data, source.weight.dtype, i * k, k, row.data());
      for (int64_t j = 0; j < k; ++j) b[j] += double{row[j]} * row[j];
    }
  }
  const bool usable = NormaliseSizes(a) && NormaliseSizes(b);
  const float* const signs = kernels::RotationSigns();
  for (int64_t j = 0; j < k; ++j)
    job.out[j] = usable ? signs[j] * static_cast<float>(std::pow(b[j] / a[j], 0.25)) : signs[j];
}

}  // namespace

Result<InputFactors> Lowering::FactorsOf(ValueId x, const std::string& name,
                                         const std::vector<kernels::LinearSource>& sources) {
  const int64_t k = ColumnsOf(x);
  // What PackLinear will refuse has no factors.
  const auto is_matrix = [&](const kernels::LinearSource& s) {
    return s.weight.data != nullptr && s.weight.shape.size() == 2 && s.weight.shape[0] > 0 &&
           s.weight.shape[1] == k;
  };
  if (kernels::RotationOf(k).block == 1 || !std::ranges::all_of(sources, is_matrix))
    return InputFactors{};
  if (const auto it = factors_.find(x); it != factors_.end()) return it->second;
  FactorJob job{.name = graph_.name() + "/" + name + "/factors", .sources = sources};
  std::vector<View> made_of;
  for (const kernels::LinearSource& source : sources) made_of.push_back(source.weight);
  if (const Value& value = graph_.value(x);
      value.kind == ValueKind::kNode && node(value.producer).op == OpKind::kLayerNorm) {
    const Node& norm = node(value.producer);
    TESSERA_ASSIGN_OR_RETURN(job.norm, NormWeightsOf(norm));
    for (const int i : {1, 2}) made_of.push_back(graph_.value(norm.inputs[i]).data);
  }
  job.fingerprint = Fingerprint(std::span<const View>(made_of));
  if (cache_ != nullptr) {
    if (auto found = cache_->FindFloats(job.name, k, job.fingerprint)) {
      plan_.owners.push_back(found->owner);
      return factors_[x] = {found->data, job.fingerprint};
    }
  }
  auto tensor = std::make_shared<Tensor>(DType::kF32, Shape{k});
  job.out = tensor->As<float>();
  job.result = {job.out, tensor};
  plan_.owners.push_back(tensor);
  factors_[x] = {job.out, job.fingerprint};
  factor_jobs_.push_back(std::move(job));
  return factors_[x];
}

void Lowering::MakeFactors() {
  const auto columns = [](const FactorJob& job) { return job.sources[0].weight.shape[1]; };
  pool_.ParallelFor(static_cast<int64_t>(factor_jobs_.size()),
                    [&](int64_t i, int) { Fill(factor_jobs_[i], columns(factor_jobs_[i])); });
  if (cache_ == nullptr) return;
  for (const FactorJob& job : factor_jobs_)
    cache_->Add(job.name, job.fingerprint, job.result, columns(job));
}

}  // namespace tessera::cpu
