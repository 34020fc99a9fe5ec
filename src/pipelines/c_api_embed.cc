#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <vector>

#include "pipelines/c_api_common.h"
#include "tessera/embed.h"

struct tessera_embedder {
  tessera::Embedder embedder;
  std::mutex mutex;       // guards `stop`
  std::stop_source stop;  // of the calls that run now
  std::string placement;
};

struct tessera_embeddings {
  tessera::Embeddings embeddings;
};

namespace tessera {
namespace {

tessera_embed_pooling ToC(EmbedPooling pooling) {
  switch (pooling) {
    case EmbedPooling::kMean:
      return TESSERA_POOLING_MEAN;
    case EmbedPooling::kCls:
      return TESSERA_POOLING_CLS;
    case EmbedPooling::kLast:
      return TESSERA_POOLING_LAST;
  }
  return TESSERA_POOLING_MODEL;
}

Result<EmbedOptions> ReadEmbedOptions(const tessera_embed_options* given) {
  TESSERA_ASSIGN_OR_RETURN(const tessera_embed_options c,
                           ReadOptions(given, tessera_embed_options_init));
  EmbedOptions options;
  switch (c.kind) {
    case TESSERA_EMBED_PLAIN:
      break;
    case TESSERA_EMBED_QUERY:
      options.kind = EmbedKind::kQuery;
      break;
    case TESSERA_EMBED_PASSAGE:
      options.kind = EmbedKind::kPassage;
      break;
    default:
      return InvalidArgument("kind " + std::to_string(c.kind) + " is unknown");
  }
  switch (c.pooling) {
    case TESSERA_POOLING_MODEL:
      break;
    case TESSERA_POOLING_MEAN:
      options.pooling = EmbedPooling::kMean;
      break;
    case TESSERA_POOLING_CLS:
      options.pooling = EmbedPooling::kCls;
      break;
    case TESSERA_POOLING_LAST:
      options.pooling = EmbedPooling::kLast;
      break;
    default:
      return InvalidArgument("pooling " + std::to_string(c.pooling) + " is unknown");
  }
  if (c.prompt != nullptr) options.prompt = c.prompt;
  if (c.normalize >= 0) options.normalize = c.normalize != 0;
  options.dimensions = c.dimensions;
  options.max_tokens = c.max_tokens;
  return options;
}

Result<std::vector<std::string_view>> ReadTexts(const char* const* texts, const size_t* lengths,
                                                size_t num_texts) {
  if (texts == nullptr && num_texts > 0) return InvalidArgument("texts is NULL");
  std::vector<std::string_view> views;
  views.reserve(num_texts);
  for (size_t i = 0; i < num_texts; ++i) {
    if (texts[i] == nullptr) {
      // A length of 0 needs no bytes.
      if (lengths == nullptr || lengths[i] > 0)
        return InvalidArgument("texts[" + std::to_string(i) + "] is NULL");
      views.emplace_back();
    } else {
      views.push_back(lengths == nullptr ? std::string_view(texts[i])
                                         : std::string_view(texts[i], lengths[i]));
    }
  }
  return views;
}

}  // namespace
}  // namespace tessera

using tessera::Guarded;
using tessera::InvalidArgument;
using tessera::OkStatus;
using tessera::Status;

extern "C" {

void tessera_embed_options_init(tessera_embed_options* options) {
  if (options == nullptr) return;
  *options = tessera_embed_options{};
  options->size = sizeof(*options);
  options->normalize = -1;
}

void tessera_embedder_info_init(tessera_embedder_info* info) {
  if (info == nullptr) return;
  *info = tessera_embedder_info{};
  info->size = sizeof(*info);
}

tessera_status tessera_embedder_create(const tessera_model_options* given,
                                       tessera_embedder** embedder) {
  return Guarded([&]() -> Status {
    if (embedder == nullptr) return InvalidArgument("embedder is NULL");
    *embedder = nullptr;
    TESSERA_ASSIGN_OR_RETURN(const tessera::ModelOptions options, tessera::ReadModelOptions(given));
    TESSERA_ASSIGN_OR_RETURN(tessera::Embedder created, tessera::Embedder::Create(options));
    *embedder = new tessera_embedder{std::move(created), {}, {}, {}};
    return OkStatus();
  });
}

void tessera_embedder_free(tessera_embedder* embedder) { delete embedder; }

const char* tessera_embedder_placement(tessera_embedder* embedder) {
  if (embedder == nullptr) return nullptr;
  return tessera::KeepPlacement(embedder->embedder.model(), &embedder->placement);
}

tessera_status tessera_embedder_get_info(const tessera_embedder* embedder,
                                         tessera_embedder_info* info) {
  return Guarded([&]() -> Status {
    if (embedder == nullptr) return InvalidArgument("embedder is NULL");
    if (info == nullptr) return InvalidArgument("info is NULL");
    if (info->size < sizeof(info->size))
      return InvalidArgument("info has no size; set it up with tessera_embedder_info_init");
    const tessera::EmbedderInfo& ours = embedder->embedder.info();
    const tessera_embedder_info filled = {info->size,
                                          ours.dimensions,
                                          ours.max_tokens,
                                          tessera::ToC(ours.pooling),
                                          ours.normalize ? 1 : 0,
                                          ours.query_prompt.c_str(),
                                          ours.passage_prompt.c_str()};
    std::memcpy(info, &filled, std::min(info->size, sizeof(filled)));
    return OkStatus();
  });
}

tessera_status tessera_embed(tessera_embedder* embedder, const char* const* texts,
                             const size_t* lengths, size_t num_texts,
                             const tessera_embed_options* given, tessera_embeddings** embeddings) {
  return Guarded([&]() -> Status {
    if (embeddings == nullptr) return InvalidArgument("embeddings is NULL");
    *embeddings = nullptr;
    if (embedder == nullptr) return InvalidArgument("embedder is NULL");
    TESSERA_ASSIGN_OR_RETURN(const tessera::EmbedOptions options, tessera::ReadEmbedOptions(given));
    TESSERA_ASSIGN_OR_RETURN(const std::vector<std::string_view> views,
                             tessera::ReadTexts(texts, lengths, num_texts));
    std::stop_token stop;
    {
      const std::lock_guard lock(embedder->mutex);
      stop = embedder->stop.get_token();
    }
    TESSERA_ASSIGN_OR_RETURN(tessera::Embeddings result,
                             embedder->embedder.Embed(views, options, std::move(stop)));
    *embeddings = new tessera_embeddings{std::move(result)};
    return OkStatus();
  });
}

tessera_status tessera_embedder_cancel(tessera_embedder* embedder) {
  return Guarded([&]() -> Status {
    if (embedder == nullptr) return InvalidArgument("embedder is NULL");
    std::stop_source running;
    {
      const std::lock_guard lock(embedder->mutex);
      std::swap(running, embedder->stop);
    }
    running.request_stop();
    return OkStatus();
  });
}

size_t tessera_embeddings_count(const tessera_embeddings* embeddings) {
  return embeddings == nullptr ? 0 : embeddings->embeddings.num_tokens.size();
}

int64_t tessera_embeddings_dimensions(const tessera_embeddings* embeddings) {
  return embeddings == nullptr ? 0 : embeddings->embeddings.dimensions;
}

const float* tessera_embeddings_values(const tessera_embeddings* embeddings) {
  return embeddings == nullptr ? nullptr : embeddings->embeddings.values.data();
}

int32_t tessera_embeddings_num_tokens(const tessera_embeddings* embeddings, size_t index) {
  if (index >= tessera_embeddings_count(embeddings)) return 0;
  return embeddings->embeddings.num_tokens[index];
}

int tessera_embeddings_truncated(const tessera_embeddings* embeddings, size_t index) {
  if (index >= tessera_embeddings_count(embeddings)) return 0;
  return embeddings->embeddings.truncated[index] ? 1 : 0;
}

void tessera_embeddings_free(tessera_embeddings* embeddings) { delete embeddings; }

}  // extern "C"
