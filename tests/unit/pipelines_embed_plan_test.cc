// Options, prompts and pooling of embeddings.
#include "pipelines/embed_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipelines_embed_fakes.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr int64_t kWidth = 8;

TextEncoderSettings Settings() {
  return {.max_tokens = 64,
          .pooling = EmbedPooling::kCls,
          .normalize = false,
          .plain_prompt = "",
          .query_prompt = "query: ",
          .passage_prompt = "passage: "};
}

Result<EmbedPlan> Plan(const EmbedOptions& options) {
  const FakeTextTokenizer tokenizer;
  return PlanEmbedding(options, Settings(), kWidth, tokenizer);
}

TEST(EmbedPlanTest, TheModelDecidesWhatTheOptionsLeaveOpen) {
  const auto plan = Plan({});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->dimensions, kWidth);
  EXPECT_EQ(plan->max_tokens, 64);
  EXPECT_EQ(plan->pooling, EmbedPooling::kCls);
  EXPECT_FALSE(plan->normalize);
  EXPECT_EQ(plan->prompt, "");
}

TEST(EmbedPlanTest, OptionsReplaceWhatTheModelSays) {
  const auto plan = Plan({.kind = EmbedKind::kQuery,
                          .pooling = EmbedPooling::kLast,
                          .normalize = true,
                          .dimensions = 3,
                          .max_tokens = 2});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->dimensions, 3);
  EXPECT_EQ(plan->max_tokens, 2);
  EXPECT_EQ(plan->pooling, EmbedPooling::kLast);
  EXPECT_TRUE(plan->normalize);
  EXPECT_EQ(plan->prompt, "query: ");
  EXPECT_EQ(Plan({.kind = EmbedKind::kPassage})->prompt, "passage: ");
  EXPECT_EQ(Plan({.kind = EmbedKind::kPassage, .prompt = "find: "})->prompt, "find: ");
  EXPECT_EQ(Plan({.kind = EmbedKind::kPassage, .prompt = ""})->prompt, "");
}

TEST(EmbedPlanTest, RefusesWhatTheModelCannotFollow) {
  for (const EmbedOptions& options :
       {EmbedOptions{.dimensions = kWidth + 1}, EmbedOptions{.dimensions = -1},
        EmbedOptions{.max_tokens = 65}, EmbedOptions{.max_tokens = 1},
        EmbedOptions{.max_tokens = -2}}) {
    const auto plan = Plan(options);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Plan({.dimensions = 9}).status().message(), HasSubstr("1 to 8"));
  EXPECT_THAT(Plan({.max_tokens = 65}).status().message(), HasSubstr("2 to 64"));
}

TEST(EmbedPlanTest, ThePromptComesFirstAndWhiteSpaceGoes) {
  EmbedPlan plan;
  std::string joined;
  EXPECT_EQ(WithPrompt(plan, " \n a b\t\u2003", &joined), "a b");
  EXPECT_EQ(WithPrompt(plan, "", &joined), "");
  plan.prompt = " query: ";
  EXPECT_EQ(WithPrompt(plan, " a ", &joined), "query:  a");
  EXPECT_EQ(WithPrompt(plan, "", &joined), "query:");
}

std::vector<float> Pool(EmbedPlan plan, int64_t dimensions) {
  // [3 tokens, width 4]
  static constexpr float kHidden[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, -2, 2, 3};
  plan.dimensions = dimensions;
  std::vector<float> vector(static_cast<size_t>(dimensions), -1.0F);
  PoolTokens(plan, kHidden, 4, vector);
  return vector;
}

TEST(EmbedPlanTest, PoolsAndCuts) {
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kMean, .normalize = false}, 4),
              ElementsAre(2, 2, 4, 5));
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kCls, .normalize = false}, 4),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kLast, .normalize = false}, 3), ElementsAre(0, -2, 2));
}

TEST(EmbedPlanTest, ScalesToLengthOneAfterTheCut) {
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kMean, .normalize = true}, 4),
              Pointwise(FloatNear(1e-6F), {2.0F / 7, 2.0F / 7, 4.0F / 7, 5.0F / 7}));
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kLast, .normalize = true}, 2),
              Pointwise(FloatNear(1e-6F), {0.0F, -1.0F}));
  // Nothing to scale.
  EXPECT_THAT(Pool({.pooling = EmbedPooling::kLast, .normalize = true}, 1), ElementsAre(0.0F));
}

}  // namespace
}  // namespace tessera
