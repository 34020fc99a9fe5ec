// The C interface of embeddings, on a small random model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tessera/c_api.h"

namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CApiEmbedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::copy(TESSERA_SOURCE_DIR "/tests/golden/bert_random/bert", folder_,
             fs::copy_options::recursive);
    std::ofstream vocabulary(folder_ + "/vocab.txt");
    vocabulary << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (int i = 5; i < 61; ++i) vocabulary << "w" << i << "\n";
    vocabulary.close();
    tessera_model_options options;
    tessera_model_options_init(&options);
    options.model = folder_.c_str();
    options.precision = TESSERA_PRECISION_F32;
    ASSERT_EQ(tessera_embedder_create(&options, &embedder_), TESSERA_OK) << tessera_last_error();
  }
  void TearDown() override {
    tessera_embedder_free(embedder_);
    fs::remove_all(folder_);
  }
  tessera_status Embed(const std::vector<const char*>& texts,
                       const tessera_embed_options* options) {
    tessera_embeddings_free(result_);
    return tessera_embed(embedder_, texts.data(), nullptr, texts.size(), options, &result_);
  }

  const std::string folder_ =
      testing::TempDir() + "tessera_c_api_embed_" + std::to_string(getpid());
  tessera_embedder* embedder_ = nullptr;
  tessera_embeddings* result_ = nullptr;
};

TEST_F(CApiEmbedTest, TextsBecomeVectors) {
  ASSERT_EQ(Embed({"w7 w8", "", "w9"}, nullptr), TESSERA_OK) << tessera_last_error();
  EXPECT_EQ(tessera_embeddings_count(result_), 3u);
  EXPECT_EQ(tessera_embeddings_dimensions(result_), 48);
  EXPECT_EQ(tessera_embeddings_num_tokens(result_, 0), 4);
  EXPECT_EQ(tessera_embeddings_num_tokens(result_, 1), 2);
  EXPECT_EQ(tessera_embeddings_num_tokens(result_, 3), 0);
  EXPECT_EQ(tessera_embeddings_truncated(result_, 0), 0);
  const std::vector<float> first(tessera_embeddings_values(result_),
                                 tessera_embeddings_values(result_) + 48);
  double square = 0;
  for (const float x : first) square += static_cast<double>(x) * x;
  EXPECT_NEAR(square, 1, 1e-6);

  // By length, and not ended by a zero byte.
  const char* texts[] = {"w7 w8XXX", nullptr};
  const size_t lengths[] = {5, 0};
  tessera_embeddings* by_length = nullptr;
  ASSERT_EQ(tessera_embed(embedder_, texts, lengths, 2, nullptr, &by_length), TESSERA_OK);
  EXPECT_EQ(std::memcmp(tessera_embeddings_values(by_length), first.data(), 48 * sizeof(float)), 0);
  tessera_embeddings_free(by_length);
  tessera_embeddings_free(result_);
}

TEST_F(CApiEmbedTest, OptionsAreFollowed) {
  tessera_embed_options options;
  tessera_embed_options_init(&options);
  options.dimensions = 5;
  options.max_tokens = 3;
  options.normalize = 0;
  options.pooling = TESSERA_POOLING_CLS;
  ASSERT_EQ(Embed({"w7 w8"}, &options), TESSERA_OK) << tessera_last_error();
  EXPECT_EQ(tessera_embeddings_dimensions(result_), 5);
  EXPECT_EQ(tessera_embeddings_truncated(result_, 0), 1);
  const float cls = tessera_embeddings_values(result_)[0];
  options.prompt = "w9 ";
  options.kind = TESSERA_EMBED_QUERY;
  ASSERT_EQ(Embed({"w7 w8"}, &options), TESSERA_OK);
  EXPECT_NE(tessera_embeddings_values(result_)[0], cls);
  tessera_embeddings_free(result_);
  result_ = nullptr;

  options.pooling = 9;
  EXPECT_EQ(Embed({"w7"}, &options), TESSERA_INVALID_ARGUMENT);
  EXPECT_THAT(tessera_last_error(), HasSubstr("pooling"));
  tessera_embed_options_init(&options);
  options.kind = -1;
  EXPECT_EQ(Embed({"w7"}, &options), TESSERA_INVALID_ARGUMENT);
  EXPECT_THAT(tessera_last_error(), HasSubstr("kind"));
  tessera_embed_options_init(&options);
  options.dimensions = 49;
  EXPECT_EQ(Embed({"w7"}, &options), TESSERA_INVALID_ARGUMENT);
  EXPECT_THAT(tessera_last_error(), HasSubstr("dimensions"));
  options.size = 0;
  EXPECT_EQ(Embed({"w7"}, &options), TESSERA_INVALID_ARGUMENT);
  // An older caller's structure ends before the dimensions.
  options.size = offsetof(tessera_embed_options, dimensions);
  EXPECT_EQ(Embed({"w7"}, &options), TESSERA_OK);
  tessera_embeddings_free(result_);
}

TEST_F(CApiEmbedTest, TellsWhatTheModelIs) {
  tessera_embedder_info info;
  tessera_embedder_info_init(&info);
  ASSERT_EQ(tessera_embedder_get_info(embedder_, &info), TESSERA_OK);
  EXPECT_EQ(info.dimensions, 48);
  EXPECT_EQ(info.max_tokens, 40);
  EXPECT_EQ(info.pooling, TESSERA_POOLING_MEAN);
  EXPECT_EQ(info.normalize, 1);
  EXPECT_STREQ(info.query_prompt, "");
  // An older caller's structure is not written behind its end.
  info.size = offsetof(tessera_embedder_info, max_tokens);
  info.max_tokens = -1;
  ASSERT_EQ(tessera_embedder_get_info(embedder_, &info), TESSERA_OK);
  EXPECT_EQ(info.max_tokens, -1);
  info.size = 0;
  EXPECT_EQ(tessera_embedder_get_info(embedder_, &info), TESSERA_INVALID_ARGUMENT);
}

TEST_F(CApiEmbedTest, CallsOfManyThreadsAndACancelInBetween) {
  EXPECT_EQ(tessera_embedder_cancel(embedder_), TESSERA_OK);  // nothing runs
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const char* texts[] = {"w7", "w8 w9", "w10 w11 w12"};
      for (int i = 0; i < 20; ++i) {
        tessera_embeddings* result = nullptr;
        const tessera_status status = tessera_embed(embedder_, texts, nullptr, 3, nullptr, &result);
        EXPECT_TRUE(status == TESSERA_OK || status == TESSERA_CANCELLED);
        EXPECT_EQ(result != nullptr, status == TESSERA_OK);
        tessera_embeddings_free(result);
      }
    });
  }
  EXPECT_EQ(tessera_embedder_cancel(embedder_), TESSERA_OK);
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(Embed({"w7"}, nullptr), TESSERA_OK);
  tessera_embeddings_free(result_);
}

TEST_F(CApiEmbedTest, RefusesNull) {
  tessera_embeddings* result = nullptr;
  const char* texts[] = {nullptr};
  EXPECT_EQ(tessera_embedder_create(nullptr, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embed(nullptr, texts, nullptr, 0, nullptr, &result), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embed(embedder_, nullptr, nullptr, 1, nullptr, &result),
            TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embed(embedder_, texts, nullptr, 1, nullptr, &result),
            TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embed(embedder_, texts, nullptr, 1, nullptr, nullptr),
            TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embedder_get_info(nullptr, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embedder_cancel(nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_embeddings_count(nullptr), 0u);
  EXPECT_EQ(tessera_embeddings_values(nullptr), nullptr);
  tessera_embeddings_free(nullptr);
  tessera_embedder_free(nullptr);
  tessera_embed_options_init(nullptr);
  tessera_embedder_info_init(nullptr);
}

}  // namespace
