// int8 rows against brute force in f32, with MiniLM on the sentences of shared/data/sts: each
// sentence asks for its nearest others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <set>

#include "base/file.h"
#include "base/thread_pool.h"
#include "kernels/dot_top_k.h"
#include "tessera/embed.h"

namespace tessera {
namespace {

constexpr size_t kNeighbours = 10;

// The last two columns of each table, without repetitions.
std::vector<std::string> Sentences(const std::string& folder) {
  std::vector<std::string> sentences;
  std::set<std::string> seen;
  for (const char* name : {"stsb_en_dev.tsv", "sts17_es_dev.tsv"}) {
    std::ifstream file(JoinPath(folder, name));
    std::string line;
    std::getline(file, line);  // names of the columns
    while (std::getline(file, line)) {
      for (int column = 0; column < 2; ++column) {
        const size_t tab = line.rfind('\t');
        if (tab == std::string::npos) break;
        std::string sentence = line.substr(tab + 1);
        line.resize(tab);
        if (seen.insert(sentence).second) sentences.push_back(std::move(sentence));
      }
    }
  }
  return sentences;
}

TEST(SearchAccuracyTest, Int8RowsFindTheNeighboursThatF32Finds) {
  const std::string model = JoinPath(*ModelsFolder(), "all-minilm-l6-v2");
  if (!FolderExists(model)) GTEST_SKIP() << "no model in " << model;
  const char* shared = std::getenv("TESSERA_SHARED");
  const std::string folder =
      (shared != nullptr ? shared : TESSERA_SOURCE_DIR "/../shared") + std::string("/data/sts");
  const std::vector<std::string> sentences = Sentences(folder);
  if (sentences.empty()) GTEST_SKIP() << "no sentences in " << folder;
  ASSERT_GT(sentences.size(), 500u);

  const auto embedder = Embedder::Create({.model = model, .precision = Precision::kF32});
  ASSERT_TRUE(embedder.ok()) << embedder.status().ToString();
  const std::vector<std::string_view> texts(sentences.begin(), sentences.end());
  const auto made = embedder->Embed(texts);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const int64_t d = made->dimensions, count = static_cast<int64_t>(texts.size());

  std::vector<int8_t> levels(static_cast<size_t>(count * kernels::RowStride(d)));
  std::vector<float> inverse_length(texts.size());
  kernels::QuantizeRowsS8(made->values.data(), d, count, d, levels.data(), inverse_length.data());
  ThreadPool pool(2);
  const auto found = kernels::TopKRows(pool, {levels.data(), inverse_length.data(), count, d},
                                       made->values.data(), count, kNeighbours + 1);
  int64_t same_top = 0, recalled = 0;
  double worst = 0;
  for (size_t q = 0; q < texts.size(); ++q) {
    std::vector<double> cosine(texts.size());
    for (size_t r = 0; r < texts.size(); ++r) {
      const auto a = made->vector(q), b = made->vector(r);
      cosine[r] = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    }
    std::vector<size_t> nearest(texts.size());
    std::iota(nearest.begin(), nearest.end(), size_t{0});
    std::erase(nearest, q);
    std::partial_sort(nearest.begin(), nearest.begin() + kNeighbours, nearest.end(),
                      [&](size_t a, size_t b) { return cosine[a] > cosine[b]; });
    std::vector<size_t> rows;
    for (const kernels::ScoredRow& row : found[q]) {
      const auto number = static_cast<size_t>(row.row);
      worst = std::max(worst, std::abs(row.cosine - cosine[number]));
      if (number != q && rows.size() < kNeighbours) rows.push_back(number);
    }
    EXPECT_EQ(found[q][0].row, static_cast<int64_t>(q)) << "a sentence is nearest to itself";
    same_top += rows[0] == nearest[0];
    recalled += std::count_if(rows.begin(), rows.end(), [&](size_t row) {
      return std::find(nearest.begin(), nearest.begin() + kNeighbours, row) !=
             nearest.begin() + kNeighbours;
    });
  }
  const double top = static_cast<double>(same_top) / static_cast<double>(count);
  const double recall = static_cast<double>(recalled) / static_cast<double>(count * kNeighbours);
  RecordProperty("same_top_hit", std::to_string(top));
  RecordProperty("recall_at_10", std::to_string(recall));
  RecordProperty("worst_error", std::to_string(worst));
  EXPECT_GE(top, 0.99) << "recall@10 " << recall << ", worst error " << worst;
  EXPECT_GE(recall, 0.99);
  EXPECT_LE(worst, 0.004);
}

}  // namespace
}  // namespace tessera
