// A folder of texts and a model of word counts, for the tests of search.
#ifndef TESSERA_TESTS_UNIT_PIPELINES_SEARCH_FAKES_H_
#define TESSERA_TESTS_UNIT_PIPELINES_SEARCH_FAKES_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "pipelines/search_model.h"
#include "pipelines/search_update.h"

namespace tessera {

// A text's vector counts its words, each in the component that a hash of it and of `seed` gives.
// Knows what it has embedded.
class WordCounter : public TextVectorizer {
 public:
  explicit WordCounter(uint32_t seed = 1, int64_t dimensions = 96) : seed_(seed) {
    info_.dimensions = dimensions;
    info_.max_tokens = 128;
  }
  const EmbedderInfo& info() const override { return info_; }
  EmbedderInfo& info() { return info_; }

  Result<Embeddings> Embed(std::span<const std::string_view> texts, EmbedKind kind,
                           std::stop_token stop) const override {
    if (stop.stop_requested()) return Cancelled("stopped");
    if (before_each) TESSERA_RETURN_IF_ERROR(before_each(texts));
    Embeddings made{
        .dimensions = info_.dimensions, .values = {}, .num_tokens = {}, .truncated = {}};
    for (const std::string_view text : texts) {
      if (kind == EmbedKind::kPassage) embedded.emplace_back(text);
      if (kind == EmbedKind::kQuery) asked.emplace_back(text);
      std::vector<float> vector(static_cast<size_t>(info_.dimensions), 0.01f);
      uint32_t hash = seed_;
      for (const char c : std::string(text) + " ") {
        if (std::isalnum(static_cast<unsigned char>(c))) {
          hash = (hash ^ static_cast<uint32_t>(std::tolower(c))) * 16777619u;
        } else if (hash != seed_) {
          vector[(hash >> 8) % vector.size()] += 1.0f;
          hash = seed_;
        }
      }
      made.values.insert(made.values.end(), vector.begin(), vector.end());
      made.num_tokens.push_back(1);
      made.truncated.push_back(text.size() > 5000);
    }
    return made;
  }

  mutable std::vector<std::string> embedded, asked;  // passages, questions
  std::function<Status(std::span<const std::string_view>)> before_each;

 private:
  uint32_t seed_;
  EmbedderInfo info_;
};

class SearchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-search-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = CanonicalPath(pattern);
    options_.index_path = At("my.index");
    options_.model = "words";
    notes_ = At("notes");
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  std::string At(const std::string& name) const { return JoinPath(root_, name); }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = JoinPath(notes_, name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;  // no flush to the disk, unlike our own
  }
  Result<SearchUpdateReport> Update(std::stop_token stop = {}) {
    words_.embedded.clear();
    const auto model = [&]() -> Result<const TextVectorizer*> {
      ++models_loaded_;
      return static_cast<const TextVectorizer*>(&words_);
    };
    Result<SearchUpdateReport> report = UpdateSearchIndex(options_, pool_, model, {}, stop);
    options_.add.clear();
    options_.remove.clear();
    options_.exclude.clear();
    return report;
  }
  Result<SearchUpdateReport> Build(std::stop_token stop = {}) {
    options_.add = {notes_};
    return Update(stop);
  }

  std::string root_, notes_;
  SearchUpdateOptions options_;
  WordCounter words_;
  ThreadPool pool_{2};
  int models_loaded_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_PIPELINES_SEARCH_FAKES_H_
