// The public Embedder on a small random BERT: what the library computes, in any company.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <random>

#include "tessera/embed.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

// The golden model with a vocabulary of letters.
class EmbedderTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = TempPath("embedder");
    fs::remove_all(folder_);
    fs::copy(TESSERA_SOURCE_DIR "/tests/golden/bert_random/bert", folder_,
             fs::copy_options::recursive);
    std::ofstream vocabulary(folder_ + "/vocab.txt");
    vocabulary << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (char c = 'a'; c <= 'z'; ++c) vocabulary << c << "\n";
    for (char c = 'a'; c <= 'z'; ++c) vocabulary << "##" << c << "\n";
    vocabulary << "the\nof\nand\nto\n";
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static Embedder Load(Precision precision, int threads) {
    auto embedder =
        Embedder::Create({.model = folder_, .precision = precision, .threads = threads});
    EXPECT_TRUE(embedder.ok()) << embedder.status().ToString();
    return std::move(*embedder);
  }
  static std::vector<std::string> Texts(size_t count) {
    std::mt19937 random(3);
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
      for (size_t words = random() % 9; words > 0; --words) {
        for (size_t letters = 1 + random() % 6; letters > 0; --letters)
          text += static_cast<char>('a' + random() % 26);
        text += ' ';
      }
    }
    return texts;
  }
  static std::vector<float> Vector(const Embeddings& embeddings, size_t index) {
    return {embeddings.vector(index).begin(), embeddings.vector(index).end()};
  }

  static inline std::string folder_;
};

TEST_F(EmbedderTest, TellsWhatTheModelIs) {
  const Embedder embedder = Load(Precision::kF32, 1);
  EXPECT_EQ(embedder.info().dimensions, 48);
  EXPECT_EQ(embedder.info().max_tokens, 40);
  EXPECT_EQ(embedder.info().pooling, EmbedPooling::kMean);
  EXPECT_TRUE(embedder.info().normalize);
  EXPECT_THAT(*embedder.Tokenize(" the b "), ElementsAre(2, 57, 6, 3));
  EXPECT_THAT(*embedder.Tokenize("the b", {.prompt = "a"}), ElementsAre(2, 5, 50, 38, 35, 6, 3));
  EXPECT_THAT(*embedder.Tokenize("a b c", {.max_tokens = 3}), ElementsAre(2, 5, 3));
}

TEST_F(EmbedderTest, TheSameBitsAloneAndInAnyCompany) {
  const auto texts = Texts(400);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const Precision precision : {Precision::kF32, Precision::kBF16, Precision::kInt8}) {
    const Embedder one = Load(precision, 1);
    std::vector<std::vector<float>> alone;
    for (const std::string_view text : views) alone.push_back(Vector(*one.Embed({&text, 1}), 0));

    const Embedder two = Load(precision, 2);
    for (const Embedder& embedder : {one, two}) {
      const auto together = embedder.Embed(views);
      ASSERT_TRUE(together.ok());
      for (size_t i = 0; i < texts.size(); ++i)
        ASSERT_THAT(Vector(*together, i), ElementsAreArray(alone[i])) << texts[i];
    }
    std::vector<std::future<void>> callers;
    for (size_t caller = 0; caller < 4; ++caller) {
      callers.push_back(std::async(std::launch::async, [&, caller] {
        for (size_t i = caller; i + 2 < texts.size(); i += 5) {
          const auto few = two.Embed(std::span(views).subspan(i, 1 + i % 2));
          ASSERT_THAT(Vector(*few, 0), ElementsAreArray(alone[i]));
        }
      }));
    }
    for (auto& caller : callers) caller.get();
  }
}

TEST_F(EmbedderTest, FollowsItsOptions) {
  const Embedder embedder = Load(Precision::kF32, 2);
  const std::vector<std::string_view> texts = {"the cat", "", "a very long text of many words"};
  const auto whole = *embedder.Embed(texts, {.normalize = false});
  const auto cut = *embedder.Embed(texts, {.normalize = false, .dimensions = 7, .max_tokens = 9});
  EXPECT_EQ(cut.dimensions, 7);
  EXPECT_THAT(Vector(cut, 0), ElementsAreArray(whole.vector(0).first(7)));
  EXPECT_THAT(whole.truncated, ElementsAre(false, false, false));
  EXPECT_THAT(cut.truncated, ElementsAre(false, false, true));
  EXPECT_THAT(cut.num_tokens, ElementsAre(6, 2, 9));
  const auto scaled = *embedder.Embed(texts, {.dimensions = 7});
  for (size_t i = 0; i < texts.size(); ++i) {
    double square = 0;
    for (const float x : scaled.vector(i)) square += static_cast<double>(x) * x;
    EXPECT_NEAR(square, 1, 1e-6);
  }
  const std::string_view prompted = "query: the cat";
  EXPECT_THAT(Vector(*embedder.Embed({texts.data(), 1}, {.prompt = "query: "}), 0),
              ElementsAreArray(Vector(*embedder.Embed({&prompted, 1}), 0)));
  EXPECT_EQ(embedder.Embed(texts, {.dimensions = 49}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(embedder.Embed({})->num_tokens.size(), 0u);
}

TEST_F(EmbedderTest, NoTextIsRefused) {
  const Embedder embedder = Load(Precision::kInt8, 2);
  const std::string huge(10 << 20, 'x'), words = [] {
    std::string text;
    for (int i = 0; i < 100000; ++i) text += "of the ";
    return text;
  }();
  const std::vector<std::string_view> texts = {
      huge, words, std::string_view("a\0b", 3), "\xFF\xC0\x80 a", "\n\t ", ""};
  const auto result = embedder.Embed(texts);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(result->num_tokens, ElementsAre(3, 40, 4, testing::Ge(3), 2, 2));
  EXPECT_THAT(result->truncated, ElementsAre(false, true, false, false, false, false));
  EXPECT_THAT(result->values, Each(testing::Truly([](float x) { return std::isfinite(x); })));
}

TEST_F(EmbedderTest, AStopIsCancelled) {
  const Embedder embedder = Load(Precision::kF32, 2);
  std::stop_source stop;
  stop.request_stop();
  const std::vector<std::string_view> texts = {"a"};
  EXPECT_EQ(embedder.Embed(texts, {}, stop.get_token()).status().code(), StatusCode::kCancelled);
}

TEST_F(EmbedderTest, AModelThatIsNotThere) {
  const auto missing = Embedder::Create({.model = folder_ + "/no"});
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
