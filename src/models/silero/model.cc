#include "models/silero/model.h"

#include <algorithm>

#include "models/silero/stages.h"

namespace tessera {

using S = SileroSizes;

Result<std::shared_ptr<const SileroModel>> SileroModel::Load(
    const std::string& path, std::shared_ptr<const ExecutionProvider> provider) {
  TESSERA_ASSIGN_OR_RETURN(const SileroWeights weights, LoadSileroWeights(path));
  std::shared_ptr<SileroModel> model(new SileroModel());
  model->provider_ = std::move(provider);
  CompileOptions options;
  options.max_dims = {{"chunks", SileroSession::kMaxChunks}};
  TESSERA_ASSIGN_OR_RETURN(model->features_graph_, BuildSileroFeatures(weights));
  TESSERA_ASSIGN_OR_RETURN(model->recurrent_graph_, BuildSileroRecurrent(weights));
  TESSERA_ASSIGN_OR_RETURN(model->features_,
                           model->provider_->Compile(model->features_graph_, options));
  TESSERA_ASSIGN_OR_RETURN(model->recurrent_,
                           model->provider_->Compile(model->recurrent_graph_, options));
  return std::shared_ptr<const SileroModel>(std::move(model));
}

std::unique_ptr<SileroSession> SileroModel::NewSession(std::shared_ptr<ThreadPool> threads) const {
  return std::unique_ptr<SileroSession>(new SileroSession(shared_from_this(), threads));
}

SileroSession::SileroSession(std::shared_ptr<const SileroModel> model,
                             const std::shared_ptr<ThreadPool>& threads)
    : model_(std::move(model)),
      features_context_(model_->features_->NewContext(threads)),
      recurrent_context_(model_->recurrent_->NewContext(threads)),
      context_(DType::kF32, {S::kContext}),
      state_(DType::kF32, {2, 1, S::kHidden}),
      input_(DType::kF32, {kMaxChunks, S::kInput, 1}),
      features_(DType::kF32, {kMaxChunks, 1, S::kHidden}),
      states_(DType::kF32, {kMaxChunks + 1, 1, S::kHidden}) {
  Reset();
}

void SileroSession::Reset() {
  std::ranges::fill(context_.Span<float>(), 0.0f);
  std::ranges::fill(state_.Span<float>(), 0.0f);
}

Status SileroSession::Run(std::span<const float> samples, std::span<float> probabilities,
                          std::stop_token stop) {
  if (samples.size() != probabilities.size() * S::kChunk) {
    return InvalidArgument("expected " + std::to_string(probabilities.size() * S::kChunk) +
                           " samples for " + std::to_string(probabilities.size()) +
                           " probabilities, found " + std::to_string(samples.size()));
  }
  while (!probabilities.empty()) {
    const size_t chunks = std::min<size_t>(kMaxChunks, probabilities.size());
    TESSERA_RETURN_IF_ERROR(
        RunBatch(samples.first(chunks * S::kChunk), probabilities.first(chunks), stop));
    samples = samples.subspan(chunks * S::kChunk);
    probabilities = probabilities.subspan(chunks);
  }
  return OkStatus();
}

Status SileroSession::RunBatch(std::span<const float> samples, std::span<float> probabilities,
                               std::stop_token stop) {
  const auto chunks = static_cast<int64_t>(probabilities.size());
  for (int64_t c = 0; c < chunks; ++c) {
    float* input = input_.As<float>() + c * S::kInput;
    const float* chunk = samples.data() + c * S::kChunk;
    const float* context = c == 0 ? context_.As<float>() : chunk - S::kContext;
    std::copy_n(context, S::kContext, input);
    std::copy_n(chunk, S::kChunk, input + S::kContext);
    // Mirrored at the last sample, which is not repeated.
    constexpr int64_t kEnd = S::kContext + S::kChunk;
    for (int64_t i = 0; i < S::kReflect; ++i) input[kEnd + i] = input[kEnd - 2 - i];
  }
  std::copy_n(samples.data() + chunks * S::kChunk - S::kContext, S::kContext, context_.As<float>());

  const View input = {input_.As<float>(), DType::kF32, {chunks, S::kInput, 1}};
  const MutableView features = {features_.As<float>(), DType::kF32, {chunks, 1, S::kHidden}};
  {
    const NamedView in[] = {{"samples", input}};
    const NamedMutableView out[] = {{"features", features}};
    TESSERA_RETURN_IF_ERROR(model_->features_->Run(*features_context_, nullptr, {in, out}, stop));
  }
  const NamedView in[] = {{"features", features}, {"state", state_.ViewOf()}};
  const NamedMutableView out[] = {
      {"states", {states_.As<float>(), DType::kF32, {chunks + 1, 1, S::kHidden}}},
      {"probability", {probabilities.data(), DType::kF32, {chunks, 1, 1}}}};
  TESSERA_RETURN_IF_ERROR(model_->recurrent_->Run(*recurrent_context_, nullptr, {in, out}, stop));
  std::copy_n(states_.As<float>() + (chunks - 1) * S::kHidden, 2 * S::kHidden, state_.As<float>());
  return OkStatus();
}

}  // namespace tessera
