// all-MiniLM-L6-v2 against transformers and sentence-transformers (tools/golden/bert.py): hidden
// states, the vectors of more than a thousand texts, and how well their cosines order sentence
// pairs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>

#include "base/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/bert/model.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using kernels::Precision;

const std::string kGolden = TESSERA_SOURCE_DIR "/tests/golden/minilm/";

std::vector<std::string> Texts() {
  auto json = ParseJsonFile(TESSERA_SOURCE_DIR "/tests/golden/embedding_texts.json");
  EXPECT_TRUE(json.ok());
  return (*json)["texts"].get<std::vector<std::string>>();
}

// Average ranks, as scipy.stats.rankdata.
std::vector<double> Ranks(const std::vector<double>& x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] < x[b]; });
  std::vector<double> ranks(x.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && x[order[end]] == x[order[i]]) ++end;
    for (size_t j = i; j < end; ++j) ranks[order[j]] = static_cast<double>(i + end - 1) / 2;
    i = end;
  }
  return ranks;
}
double Cosine(std::span<const double> a, std::span<const double> b) {
  const double ab = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  const double aa = std::inner_product(a.begin(), a.end(), a.begin(), 0.0);
  const double bb = std::inner_product(b.begin(), b.end(), b.begin(), 0.0);
  return ab / std::sqrt(aa * bb);
}
double Spearman(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> a = Ranks(x), b = Ranks(y);
  for (auto* v : {&a, &b}) {
    const double mean = std::accumulate(v->begin(), v->end(), 0.0) / static_cast<double>(v->size());
    for (double& r : *v) r -= mean;
  }
  return Cosine(a, b);
}

class MiniLm : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    Result<std::string> models = ModelsFolder();
    ASSERT_TRUE(models.ok());
    const std::string path = *models + "/all-minilm-l6-v2";
    if (!FolderExists(path)) GTEST_SKIP() << "no model in " << path;
    auto encoder =
        TextEncoder::Load(path, std::make_shared<CpuProvider>(2), {.precision = GetParam()});
    ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
    encoder_ = *encoder;
    auto session = encoder_->NewSession({});
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    session_ = std::move(session).value();
    auto expected = ParseJsonFile(kGolden + "expected.json");
    ASSERT_TRUE(expected.ok());
    expected_ = *expected;
  }

  // Mean of the tokens, scaled to length 1, of each text: packed without padding, in their order.
  std::vector<std::vector<double>> Embed(const std::vector<std::string>& texts) {
    std::vector<std::vector<double>> result;
    const int64_t width = encoder_->width();
    std::vector<int32_t> ids, offsets = {0};
    const auto flush = [&] {
      std::vector<float> hidden(ids.size() * static_cast<size_t>(width));
      const Status status = session_->Run(ids, offsets, hidden);
      ASSERT_TRUE(status.ok()) << status.ToString();
      for (size_t s = 0; s + 1 < offsets.size(); ++s) {
        std::vector<double> v(width, 0.0);
        for (int32_t t = offsets[s]; t < offsets[s + 1]; ++t)
          for (int64_t i = 0; i < width; ++i) v[i] += hidden[t * width + i];
        const double norm = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
        for (double& x : v) x /= norm;
        result.push_back(std::move(v));
      }
      ids.clear();
      offsets = {0};
    };
    for (const std::string& text : texts) {
      const TokenizedText t = encoder_->tokenizer().Encode(text, encoder_->settings().max_tokens);
      if (ids.size() + t.ids.size() > 2000) flush();
      ids.insert(ids.end(), t.ids.begin(), t.ids.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
      lengths_.push_back(static_cast<int32_t>(t.ids.size()));
    }
    flush();
    return result;
  }

  std::shared_ptr<const TextEncoder> encoder_;
  std::unique_ptr<TextEncoderSession> session_;
  nlohmann::json expected_;
  std::vector<int32_t> lengths_;
};

TEST_P(MiniLm, HiddenStatesAreThoseOfTransformers) {
  if (GetParam() != Precision::kF32) GTEST_SKIP() << "the tolerance is of f32";
  auto file = OpenSafetensors(kGolden + "hidden.safetensors");
  ASSERT_TRUE(file.ok());
  const Tensor ids = Tensor::CopyOf(file->Find("ids")->view);
  const Tensor offsets = Tensor::CopyOf(file->Find("offsets")->view);
  const Tensor want = Tensor::CopyOf(file->Find("hidden")->view);
  std::vector<float> got(static_cast<size_t>(want.size()));
  ASSERT_TRUE(session_->Run(ids.Span<int32_t>(), offsets.Span<int32_t>(), got).ok());
  double worst = 0;
  for (int64_t i = 0; i < want.size(); ++i)
    worst = std::max(worst, std::abs(double{got[i]} - want.As<float>()[i]));
  RecordProperty("worst", std::to_string(worst));
  EXPECT_LE(worst, expected_["hidden_tolerance"].get<double>());
}

TEST_P(MiniLm, VectorsAreThoseOfSentenceTransformers) {
  const std::vector<std::string> texts = Texts();
  auto file = OpenSafetensors(kGolden + "embeddings.safetensors");
  ASSERT_TRUE(file.ok());
  const View want = file->Find("embeddings")->view;
  const Tensor lengths = Tensor::CopyOf(file->Find("lengths")->view);
  EXPECT_EQ(encoder_->settings().max_tokens, expected_["max_tokens"].get<int64_t>());
  const auto got = Embed(texts);
  ASSERT_EQ(got.size(), texts.size());
  ASSERT_EQ(static_cast<int64_t>(texts.size()), want.shape[0]);
  double worst = 1, sum = 0;
  for (size_t s = 0; s < got.size(); ++s) {
    ASSERT_EQ(lengths_[s], lengths.As<int32_t>()[s]) << texts[s];
    std::vector<double> v(got[s].size());
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = LoadFloat(want.data, want.dtype, static_cast<int64_t>(s * v.size() + i));
    const double cosine = Cosine(got[s], v);
    sum += cosine;
    if (cosine < worst) worst = cosine;
  }
  const double least = GetParam() == Precision::kF32    ? 0.9999
                       : GetParam() == Precision::kBf16 ? 0.9995
                                                        : 0.999;
  std::printf("%s: cosine to sentence-transformers at least %.7f, mean %.7f\n",
              std::string(PrecisionName(GetParam())).c_str(), worst,
              sum / static_cast<double>(got.size()));
  EXPECT_GE(worst, least);
}

TEST_P(MiniLm, CosinesOrderPairsAsTheReferenceDoes) {
  const char* shared = std::getenv("TESSERA_SHARED");
  const std::string folder =
      shared != nullptr ? shared : std::string(TESSERA_SOURCE_DIR "/../shared");
  for (const auto& [name, reference] : expected_["sts_spearman"].items()) {
    std::ifstream file(folder + "/data/sts/" + name);
    if (!file) GTEST_SKIP() << "no " << name << " in " << folder << "/data/sts";
    std::vector<std::string> columns;
    std::vector<std::string> first, second;
    std::vector<double> scores;
    for (std::string line; std::getline(file, line);) {
      std::vector<std::string> cells(1);
      for (const char c : line) {
        if (c == '\t') {
          cells.emplace_back();
        } else {
          cells.back() += c;
        }
      }
      if (columns.empty()) {
        columns = cells;
        continue;
      }
      const auto cell = [&](const char* column) {
        return cells.at(std::find(columns.begin(), columns.end(), column) - columns.begin());
      };
      scores.push_back(std::stod(cell("score_0_5")));
      first.push_back(cell("sentence1"));
      second.push_back(cell("sentence2"));
    }
    ASSERT_EQ(scores.size(), reference["pairs"].get<size_t>());
    const auto a = Embed(first), b = Embed(second);
    std::vector<double> cosines;
    for (size_t i = 0; i < a.size(); ++i) cosines.push_back(Cosine(a[i], b[i]));
    const double found = Spearman(scores, cosines);
    std::printf("%s %s: Spearman %.5f, reference %.5f\n",
                std::string(PrecisionName(GetParam())).c_str(), name.c_str(), found,
                reference["spearman"].get<double>());
    EXPECT_NEAR(found, reference["spearman"].get<double>(), 0.002);
  }
}

// A text alone, in another company, with one thread of its own: the same bits.
TEST_P(MiniLm, ATextHasTheSameBitsInAnySession) {
  const std::vector<std::string> texts = {"A cat.", "The index of a long book is short.",
                                          std::string(600, 'x') + " and many words after it"};
  auto alone = encoder_->NewSession({.threads = 1});
  ASSERT_TRUE(alone.ok());
  EXPECT_FALSE(encoder_->NewSession({.threads = 3}).ok());
  EXPECT_FALSE(encoder_->NewSession({.threads = -1}).ok());
  const auto width = static_cast<size_t>(encoder_->width());
  std::vector<int32_t> ids, offsets = {0};
  for (int repeat = 0; repeat < 9; ++repeat) {
    for (const std::string& text : texts) {
      const auto t = encoder_->tokenizer().Encode(text, encoder_->settings().max_tokens);
      ids.insert(ids.end(), t.ids.begin(), t.ids.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
  }
  std::vector<float> together(ids.size() * width);
  ASSERT_TRUE(session_->Run(ids, offsets, together).ok());
  for (size_t s = 0; s + 1 < offsets.size(); s += 4) {
    const auto begin = static_cast<size_t>(offsets[s]), end = static_cast<size_t>(offsets[s + 1]);
    const std::vector<int32_t> own = {0, offsets[s + 1] - offsets[s]};
    std::vector<float> single((end - begin) * width);
    ASSERT_TRUE((*alone)->Run(std::span(ids).subspan(begin, end - begin), own, single).ok());
    EXPECT_EQ(0, std::memcmp(single.data(), together.data() + begin * width,
                             single.size() * sizeof(float)))
        << "text " << s;
  }
  std::vector<float> row(width);
  const auto run = [&](std::vector<int32_t> one, std::vector<int32_t> at, std::span<float> out) {
    return session_->Run(one, at, out).code();
  };
  EXPECT_EQ(run({101}, {0, 1}, row), StatusCode::kOk);
  EXPECT_EQ(run({}, {0}, {}), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({101}, {0}, row), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({101}, {0, 2}, row), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({101}, {0, 0, 1}, row), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({101}, {0, 1}, std::span(row).first(3)), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({-1}, {0, 1}, row), StatusCode::kInvalidArgument);
  EXPECT_EQ(run({1 << 20}, {0, 1}, row), StatusCode::kInvalidArgument);
  std::vector<float> many(300 * width);
  EXPECT_EQ(run(std::vector<int32_t>(300, 101), {0, 300}, many), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Precisions, MiniLm,
                         testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8),
                         [](const auto& i) { return std::string(PrecisionName(i.param)); });

}  // namespace
}  // namespace tessera
