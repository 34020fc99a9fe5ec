// What `tessera search` understands and what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/exit_code.h"
#include "cli/search_options.h"
#include "cli/search_report.h"

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SearchOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-options-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(folder_).ok()); }

  std::optional<int> Parse(std::vector<std::string> arguments) {
    options_ = {};
    testing::internal::CaptureStderr();
    const std::optional<int> code = ParseSearch(arguments, &options_);
    error_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::string folder_, error_;
  SearchCommandOptions options_;
};

TEST_F(SearchOptionsTest, QuestionsAndFlagsMix) {
  ASSERT_FALSE(Parse({"my.index", "who?", "-k", "3", "what?", "--json", "--precision", "int8", "-m",
                      "e5", "--exclude", "*.log", "why?", "-t", "2"}));
  EXPECT_EQ(options_.index, "my.index");
  EXPECT_THAT(options_.questions, ElementsAre("who?", "what?", "why?"));
  EXPECT_THAT(options_.exclude, ElementsAre("*.log"));
  EXPECT_EQ(options_.top, 3);
  EXPECT_TRUE(options_.json);
  EXPECT_EQ(options_.model.model, "e5");
  EXPECT_EQ(options_.model.precision, Precision::kInt8);
  EXPECT_EQ(options_.model.threads, 2);
  // --add takes all that follows, as the shell's patterns give it.
  ASSERT_FALSE(Parse({"my.index", "who?", "--add", folder_, folder_}));
  EXPECT_THAT(options_.add, ElementsAre(folder_, folder_));
  ASSERT_FALSE(Parse({folder_}));
  ASSERT_FALSE(Parse({"my.index", "-"}));
}

TEST_F(SearchOptionsTest, MistakesAreExplained) {
  EXPECT_EQ(Parse({}), kExitUsage);
  EXPECT_EQ(Parse({"my.index"}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("expected a question"));
  EXPECT_EQ(Parse({"my.index", "--add", folder_, "what is it?"}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("\"what is it?\"; a question stands before --add"));
  EXPECT_EQ(Parse({folder_, "--add", folder_}), kExitUsage);
  EXPECT_THAT(error_, HasSubstr("is a folder"));
  EXPECT_EQ(Parse({folder_, "q", "--no-update", "--update"}), kExitUsage);
  EXPECT_EQ(Parse({"my.index", "-", "-"}), kExitUsage);
  EXPECT_EQ(Parse({"my.index", "q", "-k", "0"}), kExitUsage);
  EXPECT_EQ(Parse({"my.index", "q", "--precision", "int4"}), kExitUsage);
}

SearchHit Hit(const std::string& text) {
  return {.score = 0.625f,
          .path = "/u/me/notes/a.md",
          .first_line = 3,
          .last_line = 7,
          .headings = "Travel > Papers",
          .text = text,
          .state = SearchHit::State::kCurrent};
}

TEST(SearchReportTest, AnswersNamePlaceAndText) {
  EXPECT_EQ(AnswerText({Hit("One\n\n  two\r\n")}, {.current_folder = "/u/me"}),
            "0.62  notes/a.md:3-7  Travel > Papers\n      One\n        two\n");
  SearchHit other = Hit("x");
  other.last_line = 3;
  other.headings = "";
  EXPECT_EQ(AnswerText({other, other}, {.current_folder = "/u/m"}),
            "0.62  /u/me/notes/a.md:3\n      x\n\n0.62  /u/me/notes/a.md:3\n      x\n");
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += std::to_string(i) + "\n";
  EXPECT_THAT(AnswerText({Hit(lines)}, {}), HasSubstr("      7\n      ...\n"));
  EXPECT_THAT(AnswerText({Hit(lines)}, {.full = true}), HasSubstr("      19\n"));
  EXPECT_THAT(AnswerText({Hit("x")}, {.colour = true}), HasSubstr("\033[36m/u/me"));
  SearchHit gone = Hit("");
  gone.state = SearchHit::State::kChanged;
  EXPECT_THAT(AnswerText({gone}, {}), HasSubstr("(changed since it was indexed"));
  EXPECT_THAT(AnswerText({}, {}), HasSubstr("nothing found"));
}

TEST(SearchReportTest, TextsCannotCommandTheTerminal) {
  SearchHit hit =
      Hit("red \033[31m bell \007 c1 \xC2\x9B"
          "31m \xFF tab\tend");
  hit.path = "/a\033]0;title\007\nb";
  const std::string text = AnswerText({hit}, {});
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(text.find('\007'), std::string::npos);
  EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("tab\tend"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << "a path is on one line";
}

TEST(SearchReportTest, JsonHoldsEverything) {
  SearchHit hit = Hit("one\ntwo");
  hit.path = "/not utf-8 \xFF";
  const auto json = nlohmann::json::parse(AnswerJson("who?", {hit}));
  EXPECT_EQ(json["type"], "answer");
  EXPECT_EQ(json["question"], "who?");
  EXPECT_EQ(json["hits"][0]["score"], 0.625);
  EXPECT_EQ(json["hits"][0]["text"], "one\ntwo");
  EXPECT_EQ(json["hits"][0]["first_line"], 3);
  EXPECT_EQ(json["hits"][0]["state"], "current");
  SearchUpdateReport report;
  report.removed = 2;
  report.skipped = {{"/a", "why"}};
  const auto update = nlohmann::json::parse(UpdateJson("my.index", report, 1.5));
  EXPECT_EQ(update["removed"], 2);
  EXPECT_EQ(update["skipped"][0]["reason"], "why");
}

TEST(SearchReportTest, SummariesAreShort) {
  SearchUpdateReport report;
  report.documents = 3;
  report.passages = 1;
  EXPECT_EQ(UpdateLine(report, 1), "3 files, 1 passage: nothing new");
  report.added = 1;
  report.removed = 2;
  report.embedded = 7;
  EXPECT_EQ(UpdateLine(report, 1.25),
            "3 files, 1 passage: 1 file new, 2 gone; 7 passages embedded in 1.2 s");
  for (const char* name : {"/x/a.jpg", "/x/b.jpg", "/x/c.jpg", "/x/d.jpg"})
    report.skipped.push_back({name, "not a text file"});
  report.skipped.push_back({"/x/e", "empty"});
  EXPECT_THAT(SkippedLines(report),
              ElementsAre("1 file left out: empty (e)",
                          "4 files left out: not a text file (a.jpg, b.jpg, c.jpg, ...)"));
  EXPECT_EQ(IndexingLine({}, 0), "looking for files");
  EXPECT_EQ(IndexingLine({.files_done = 1,
                          .files = 4,
                          .bytes_done = 50,
                          .bytes = 100,
                          .passages = 30,
                          .path = "/x/talk.md"},
                         10),
            "indexing 2 of 4 files, 50%, 3 passages/s, 0:10 left, talk.md");
}

}  // namespace
}  // namespace tessera::cli
