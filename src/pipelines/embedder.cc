#include <new>

#include "base/check.h"
#include "models/bert/model.h"
#include "pipelines/embed_scheduler.h"
#include "pipelines/model_impl.h"
#include "tessera/embed.h"

namespace tessera {
namespace {

class SessionEncoder : public EmbedEncoder {
 public:
  explicit SessionEncoder(std::unique_ptr<TextEncoderSession> session)
      : session_(std::move(session)) {}

  Result<std::span<const float>> Run(std::span<const int32_t> ids, std::span<const int32_t> offsets,
                                     std::stop_token stop) override {
    const size_t size = ids.size() * static_cast<size_t>(session_->encoder().width());
    if (hidden_.size() < size) hidden_.resize(size);
    const std::span<float> hidden = std::span(hidden_).first(size);
    TESSERA_RETURN_IF_ERROR(session_->Run(ids, offsets, hidden, std::move(stop)));
    return std::span<const float>(hidden);
  }

 private:
  const std::unique_ptr<TextEncoderSession> session_;
  std::vector<float> hidden_;
};

// Teams of all threads are the provider's own, which has them already.
NewEmbedEncoder EncodersOf(const std::shared_ptr<const TextEncoder>& encoder, int all_threads) {
  return [encoder, all_threads](int threads) -> Result<std::unique_ptr<EmbedEncoder>> {
    TESSERA_ASSIGN_OR_RETURN(
        std::unique_ptr<TextEncoderSession> session,
        encoder->NewSession({.threads = threads == all_threads ? 0 : threads}));
    return std::unique_ptr<EmbedEncoder>(std::make_unique<SessionEncoder>(std::move(session)));
  };
}

EmbedderInfo InfoOf(const TextEncoder& encoder) {
  const TextEncoderSettings& settings = encoder.settings();
  return {.dimensions = encoder.width(),
          .max_tokens = settings.max_tokens,
          .pooling = settings.pooling,
          .normalize = settings.normalize,
          .query_prompt = settings.query_prompt,
          .passage_prompt = settings.passage_prompt};
}

}  // namespace

struct Embedder::Impl {
  Impl(const Model& loaded, std::shared_ptr<const TextEncoder> text_encoder)
      : model(loaded),
        encoder(std::move(text_encoder)),
        info(InfoOf(*encoder)),
        scheduler(encoder->tokenizer(),
                  {.width = encoder->width(), .run_tokens = TextEncoder::kMaxTokens},
                  EncodersOf(encoder, model.impl()->provider->num_threads()),
                  model.impl()->provider->num_threads()) {}

  Result<EmbedPlan> Plan(const EmbedOptions& options) const {
    return PlanEmbedding(options, encoder->settings(), encoder->width(), encoder->tokenizer());
  }

  const Model model;
  const std::shared_ptr<const TextEncoder> encoder;
  const EmbedderInfo info;
  EmbedScheduler scheduler;
};

Embedder::Embedder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<Embedder> Embedder::Create(const ModelOptions& options) {
  ModelOptions named = options;
  if (named.model.empty()) named.model = kDefaultTextModel;
  TESSERA_ASSIGN_OR_RETURN(const Model model, Model::Load(named));
  return Create(model);
}

Result<Embedder> Embedder::Create(const Model& model) {
  TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const TextEncoder> encoder, TextEncoderOf(model));
  return Embedder(std::make_shared<Impl>(model, std::move(encoder)));
}

const EmbedderInfo& Embedder::info() const { return impl_->info; }
const Model& Embedder::model() const { return impl_->model; }

Result<Embeddings> Embedder::Embed(std::span<const std::string_view> texts,
                                   const EmbedOptions& options, std::stop_token stop) const {
  TESSERA_ASSIGN_OR_RETURN(EmbedPlan plan, impl_->Plan(options));
  if (texts.size() > UINT32_MAX) {
    return InvalidArgument("texts: expected at most 4294967295 in a call, found " +
                           std::to_string(texts.size()));
  }
  try {
    EmbedJob job(std::move(plan), texts, std::move(stop));
    TESSERA_RETURN_IF_ERROR(impl_->scheduler.Run(job));
    return job.TakeResult();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("not enough memory for the vectors of " +
                             std::to_string(texts.size()) + " texts; pass fewer in a call");
  }
}

Result<std::vector<int32_t>> Embedder::Tokenize(std::string_view text,
                                                const EmbedOptions& options) const {
  TESSERA_ASSIGN_OR_RETURN(const EmbedPlan plan, impl_->Plan(options));
  std::string joined;
  return impl_->encoder->tokenizer().Encode(WithPrompt(plan, text, &joined), plan.max_tokens).ids;
}

}  // namespace tessera
