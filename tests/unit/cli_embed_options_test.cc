// The flags of `tessera embed`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/embed_options.h"
#include "cli/exit_code.h"

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

EmbedCommandOptions Parsed(const std::vector<std::string>& arguments) {
  EmbedCommandOptions options;
  EXPECT_EQ(ParseEmbed(arguments, &options), std::nullopt);
  return options;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  EmbedCommandOptions options;
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(ParseEmbed(arguments, &options), kExitUsage);
  return ::testing::internal::GetCapturedStderr();
}

TEST(EmbedOptionsTest, Defaults) {
  const EmbedCommandOptions o = Parsed({"a.txt"});
  EXPECT_THAT(o.inputs, ElementsAre("a.txt"));
  EXPECT_EQ(o.output, "-");
  EXPECT_EQ(o.output_format, VectorFormat::kJsonLines);
  EXPECT_EQ(o.embed.kind, EmbedKind::kPlain);
  EXPECT_FALSE(o.embed.prompt || o.embed.pooling || o.embed.normalize);
  EXPECT_FALSE(o.input_format);
  EXPECT_EQ(o.model.precision, Precision::kAuto);
}

TEST(EmbedOptionsTest, Flags) {
  const EmbedCommandOptions o = Parsed({"--text",
                                        "a b",
                                        "x.csv",
                                        "--text",
                                        "-1",
                                        "--field",
                                        "body",
                                        "--id-field",
                                        "key",
                                        "-m",
                                        "e5",
                                        "--query",
                                        "--prompt",
                                        "",
                                        "--pooling",
                                        "cls",
                                        "--no-normalize",
                                        "--dimensions",
                                        "64",
                                        "--max-tokens",
                                        "32",
                                        "-o",
                                        "out.npy",
                                        "--resume",
                                        "--per",
                                        "file",
                                        "--precision",
                                        "bf16",
                                        "-t",
                                        "3",
                                        "--with-text",
                                        "--batch",
                                        "7",
                                        "-r",
                                        "--input-format",
                                        "tsv"});
  EXPECT_THAT(o.texts, ElementsAre("a b", "-1"));
  EXPECT_THAT(o.inputs, ElementsAre("x.csv"));
  EXPECT_EQ(o.text_field, "body");
  EXPECT_EQ(o.id_field, "key");
  EXPECT_EQ(o.model.model, "e5");
  EXPECT_EQ(o.model.precision, Precision::kBF16);
  EXPECT_EQ(o.model.threads, 3);
  EXPECT_EQ(o.embed.kind, EmbedKind::kQuery);
  EXPECT_EQ(o.embed.prompt, "");
  EXPECT_EQ(o.embed.pooling, EmbedPooling::kCls);
  EXPECT_EQ(o.embed.normalize, false);
  EXPECT_EQ(o.embed.dimensions, 64);
  EXPECT_EQ(o.embed.max_tokens, 32);
  EXPECT_EQ(o.output_format, VectorFormat::kNpy);
  EXPECT_EQ(o.input_format, RecordFormat::kTsv);
  EXPECT_EQ(o.per, Per::kFile);
  EXPECT_EQ(o.batch, 7u);
  EXPECT_TRUE(o.resume && o.with_text && o.recursive);
  EXPECT_EQ(Parsed({"a", "-o", "x.dat", "--output-format", "csv"}).output_format,
            VectorFormat::kCsv);
}

TEST(EmbedOptionsTest, UsageErrorsSayWhatToDo) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no input"));
  EXPECT_THAT(ErrorOf({"-", "-"}), HasSubstr("once"));
  EXPECT_THAT(ErrorOf({"a", "-o", "x.dat"}), HasSubstr("--output-format"));
  EXPECT_THAT(ErrorOf({"a", "--resume"}), HasSubstr("--output FILE"));
  EXPECT_THAT(ErrorOf({"a", "--output-format", "npy"}), HasSubstr("stdout"));
  EXPECT_THAT(ErrorOf({"a.csv", "-o", "a.csv", "--resume"}), HasSubstr("input too"));
  EXPECT_THAT(ErrorOf({"a", "--query", "--passage"}), HasSubstr("one of them"));
  EXPECT_THAT(ErrorOf({"a", "--query", "--kind", "passage"}), HasSubstr("one of them"));
  EXPECT_THAT(ErrorOf({"a", "--normalize", "--no-normalize"}), HasSubstr("contradict"));
  EXPECT_THAT(ErrorOf({"a", "--dimensions", "0"}), HasSubstr("--dimensions"));
  EXPECT_THAT(ErrorOf({"a", "--batch", "0"}), HasSubstr("--batch"));
  EXPECT_THAT(ErrorOf({"a", "--pooling", "max"}), HasSubstr("mean"));
  EXPECT_THAT(ErrorOf({"a", "--nope"}), HasSubstr("tessera embed --help"));
}

}  // namespace
}  // namespace tessera::cli
