#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Result<const float*> Lowering::FloatsOf(ValueId constant) {
  if (const auto it = floats_.find(constant); it != floats_.end()) return it->second;
  const Value& value = graph_.value(constant);
  if (value.kind != ValueKind::kConstant)
    return Unimplemented(value.name + ": expected a constant of the graph");
  const std::string name = graph_.name() + "/" + value.name;
  const int64_t count = value.data.size();
  uint64_t fingerprint = 0;
  std::optional<SharedFloats> floats;
  if (cache_ != nullptr) {
    fingerprint = Fingerprint(std::span(&value.data, 1));
    floats = cache_->FindFloats(name, count, fingerprint);
  }
  if (!floats) {
    TESSERA_ASSIGN_OR_RETURN(Tensor widened, ToF32Tensor(value.data));
    auto tensor = std::make_shared<Tensor>(std::move(widened));
    floats = SharedFloats{tensor->As<float>(), tensor};
    if (cache_ != nullptr) cache_->Add(name, fingerprint, *floats, count);
  }
  plan_.owners.push_back(floats->owner);
  floats_[constant] = floats->data;
  return floats->data;
}

kernels::PackedLinear* Lowering::AddLinear(const std::string& name,
                                           std::vector<kernels::LinearSource> sources,
                                           Precision precision, const InputFactors& factors) {
  plan_.linears.push_back(std::make_unique<kernels::PackedLinear>());
  kernels::PackedLinear* const linear = plan_.linears.back().get();
  PackJob job{graph_.name() + "/" + name, 0, std::move(sources), precision, factors.data, linear};
  // PackLinear refuses an empty weight.
  if (cache_ != nullptr && job.sources[0].weight.shape[0] > 0) {
    int64_t n = 0;
    for (const kernels::LinearSource& source : job.sources) n += source.weight.shape[0];
    const View& first = job.sources[0].weight;
    job.fingerprint =
        Fingerprint(std::span<const kernels::LinearSource>(job.sources)) ^ factors.fingerprint;
    std::optional<kernels::PackedLinear> found =
        cache_->FindLinear(job.name, precision, n, first.size() / first.shape[0], job.fingerprint);
    if (found) {
      *linear = *std::move(found);
      return linear;
    }
  }
  jobs_.push_back(std::move(job));
  return linear;
}

Status Lowering::PackAll() {
  MakeFactors();
  std::vector<Status> failures(jobs_.size());
  pool_.ParallelFor(static_cast<int64_t>(jobs_.size()), [&](int64_t i, int) {
    const PackJob& job = jobs_[i];
    const View& first = job.sources[0].weight;
    const int64_t k = job.factors != nullptr ? first.size() / first.shape[0] : 0;
    Result<kernels::PackedLinear> packed = kernels::PackLinear(
        job.sources, job.precision, std::span(job.factors, static_cast<size_t>(k)));
    if (packed.ok()) {
      *jobs_[i].result = std::move(packed).value();
    } else {
      failures[i] = packed.status();
    }
  });
  for (Status& failure : failures)
    if (!failure.ok()) return std::move(failure).AddContext(graph_.name());
  if (cache_ != nullptr)
    for (const PackJob& job : jobs_) cache_->Add(job.name, job.fingerprint, *job.result);
  return OkStatus();
}

}  // namespace tessera::cpu
