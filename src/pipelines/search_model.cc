#include "pipelines/search_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"

namespace tessera {
namespace {

// Part of the index format: a change makes every index look like one of another model.
constexpr std::array<std::string_view, kSearchProbes> kProbes = {
    "The ferry leaves at half past nine, weather permitting.",
    "A recursive function needs a case that ends it; 42 + 17 = 59."};

std::string Differ(const char* what, const std::string& index, const std::string& now) {
  return std::string("the index was built with ") + what + " " + index + ", this model has " + now;
}

std::string PromptText(const std::string& prompt) {
  return prompt.empty() ? "none" : "\"" + prompt + "\"";
}

const char* PoolingName(EmbedPooling pooling) {
  switch (pooling) {
    case EmbedPooling::kMean:
      return "mean";
    case EmbedPooling::kCls:
      return "cls";
    case EmbedPooling::kLast:
      return "last";
  }
  return "";
}

// Empty where the models agree.
std::string Difference(const SearchModel& index, const SearchModel& now) {
  const EmbedderInfo &a = index.info, &b = now.info;
  if (a.dimensions != b.dimensions)
    return Differ("dimensions", std::to_string(a.dimensions), std::to_string(b.dimensions));
  if (a.pooling != b.pooling)
    return Differ("pooling", PoolingName(a.pooling), PoolingName(b.pooling));
  if (a.query_prompt != b.query_prompt)
    return Differ("query prompt", PromptText(a.query_prompt), PromptText(b.query_prompt));
  if (a.passage_prompt != b.passage_prompt)
    return Differ("passage prompt", PromptText(a.passage_prompt), PromptText(b.passage_prompt));
  double least = 1;
  for (int p = 0; p < kSearchProbes; ++p) {
    double sum = 0;
    for (int64_t i = 0; i < a.dimensions; ++i) {
      const auto at = static_cast<size_t>(p * a.dimensions + i);
      sum += static_cast<double>(index.probes[at]) * now.probes[at];
    }
    least = std::min(least, sum);
  }
  if (least >= kSameModelCosine) return "";
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", least);
  return std::string("the same text has another vector (cosine ") + text + ")";
}

}  // namespace

Result<Embeddings> EmbedChecked(const TextVectorizer& vectorizer,
                                std::span<const std::string_view> texts, EmbedKind kind,
                                int64_t dimensions, std::stop_token stop) {
  TESSERA_ASSIGN_OR_RETURN(Embeddings made, vectorizer.Embed(texts, kind, stop));
  if (made.dimensions != dimensions ||
      made.values.size() != texts.size() * static_cast<size_t>(dimensions)) {
    return Internal("expected " + std::to_string(texts.size()) + " vectors of " +
                    std::to_string(dimensions) + " values from the model, found " +
                    std::to_string(made.values.size()) + " values of " +
                    std::to_string(made.dimensions));
  }
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!std::all_of(made.values.begin(), made.values.end(), finite))
    return DataLoss("the model gives vectors that are not finite; verify its files");
  return made;
}

Result<SearchModel> DescribeSearchModel(const std::string& name, const TextVectorizer& vectorizer,
                                        std::stop_token stop) {
  SearchModel model{.name = name, .info = vectorizer.info(), .probes = {}};
  TESSERA_ASSIGN_OR_RETURN(Embeddings made, EmbedChecked(vectorizer, kProbes, EmbedKind::kPlain,
                                                         model.info.dimensions, stop));
  for (int p = 0; p < kSearchProbes; ++p) {
    const std::span<float> row(made.values.data() + p * made.dimensions,
                               static_cast<size_t>(made.dimensions));
    double squares = 0;
    for (const float v : row) squares += static_cast<double>(v) * v;
    if (squares == 0) return DataLoss("the model gives vectors of zeros; verify its files");
    for (float& v : row) v = static_cast<float>(v / std::sqrt(squares));
  }
  model.probes = std::move(made.values);
  return model;
}

Status CheckSameModel(const SearchModel& index, const SearchModel& now) {
  const std::string difference = Difference(index, now);
  if (difference.empty()) return OkStatus();
  return InvalidArgument("expected the model that the index was built with, \"" + index.name +
                         "\", found \"" + now.name + "\": " + difference +
                         "; ask with that model, or build a new index with this one");
}

}  // namespace tessera
