// The model behind a search index: who makes the vectors, and whether it is still the same.
//
// Two models are the same where their vectors are: an index keeps the vectors of two fixed texts,
// and a model fits it when it gives nearly the same ones. So a model may be moved, be read from
// another format or run in another precision, and a different model of the same shape is still
// found out, which neither a name nor a hash of files can do both.
#ifndef TESSERA_PIPELINES_SEARCH_MODEL_H_
#define TESSERA_PIPELINES_SEARCH_MODEL_H_

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/embed.h"
#include "tessera/status.h"

namespace tessera {

// Texts to vectors, row by row; not_ok or exactly texts.size() finite rows. Thread-safe.
class TextVectorizer {
 public:
  virtual ~TextVectorizer() = default;
  virtual const EmbedderInfo& info() const = 0;
  virtual Result<Embeddings> Embed(std::span<const std::string_view> texts, EmbedKind kind,
                                   std::stop_token stop) const = 0;
};

// By the public Embedder, with the model's own prompts.
class EmbedderVectorizer : public TextVectorizer {
 public:
  explicit EmbedderVectorizer(Embedder embedder) : embedder_(std::move(embedder)) {}
  const EmbedderInfo& info() const override { return embedder_.info(); }
  Result<Embeddings> Embed(std::span<const std::string_view> texts, EmbedKind kind,
                           std::stop_token stop) const override {
    return embedder_.Embed(texts, {.kind = kind}, stop);
  }

 private:
  Embedder embedder_;
};

struct SearchModel {
  std::string name;  // as it was asked for: a name of the model store or a path
  EmbedderInfo info;
  std::vector<float> probes;  // [kSearchProbes, info.dimensions], each of length 1
};
inline constexpr int kSearchProbes = 2;

// What an index says of `vectorizer`. kInternal when its vectors are not finite.
Result<SearchModel> DescribeSearchModel(const std::string& name, const TextVectorizer& vectorizer,
                                        std::stop_token stop = {});

// kInvalidArgument, with what to do, where vectors of `now` must not be compared with those that
// `index` was built from. Precisions differ by less than kSameModelCosine, models by far more.
inline constexpr double kSameModelCosine = 0.99;
Status CheckSameModel(const SearchModel& index, const SearchModel& now);

// Embeds and checks: the right number of finite rows of `dimensions` values.
Result<Embeddings> EmbedChecked(const TextVectorizer& vectorizer,
                                std::span<const std::string_view> texts, EmbedKind kind,
                                int64_t dimensions, std::stop_token stop);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_MODEL_H_
