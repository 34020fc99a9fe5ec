#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/glob.h"
#include "cli/input_files.h"
#include "cli/output_plan.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InputFilesTest : public ::testing::Test {
 protected:
  InputFilesTest()
      : root_(fs::path(testing::TempDir()) /
              ("tessera_cli_" +
               std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    fs::remove_all(root_);
    for (const char* name : {"b.wav", "a.MP3", "notes.txt", ".hidden.wav", "sub/c.flac",
                             "sub/deep/d.ogg", ".git/e.wav", "[odd].wav", "empty/readme.md"}) {
      fs::create_directories((root_ / name).parent_path());
      std::ofstream(root_ / name) << "x";
    }
  }
  ~InputFilesTest() override { fs::remove_all(root_); }
  std::string At(const std::string& name) const { return (root_ / name).string(); }
  std::vector<std::string> Names(const InputList& list) const {
    std::vector<std::string> names;
    for (const InputFile& file : list.files)
      names.push_back(fs::path(file.path).lexically_relative(root_).string());
    return names;
  }
  const fs::path root_;
};

TEST_F(InputFilesTest, FolderGivesItsMediaSorted) {
  EXPECT_THAT(Names(ExpandInputs({root_.string()}, false)),
              ElementsAre("[odd].wav", "a.MP3", "b.wav"));
}

TEST_F(InputFilesTest, RecursiveKeepsSubFolders) {
  const InputList list = ExpandInputs({root_.string()}, true);
  EXPECT_THAT(Names(list),
              ElementsAre("[odd].wav", "a.MP3", "b.wav", "sub/c.flac", "sub/deep/d.ogg"));
  EXPECT_EQ(list.files[4].folder, "sub/deep");
}

TEST_F(InputFilesTest, Globs) {
  EXPECT_THAT(Names(ExpandInputs({At("*.wav")}, false)), ElementsAre("[odd].wav", "b.wav"));
  EXPECT_THAT(Names(ExpandInputs({At("**/*.[fo]*")}, false)),
              ElementsAre("sub/c.flac", "sub/deep/d.ogg"));
  const InputList none = ExpandInputs({At("*.aiff")}, false);
  ASSERT_EQ(none.failures.size(), 1u);
  EXPECT_THAT(none.failures[0].status.message(), HasSubstr("no file matches"));
}

TEST_F(InputFilesTest, ExistingPathIsNoGlobAndNothingComesTwice) {
  EXPECT_THAT(Names(ExpandInputs({At("[odd].wav"), At("b.wav"), root_.string()}, false)),
              ElementsAre("[odd].wav", "b.wav", "a.MP3"));
}

TEST_F(InputFilesTest, FolderWithoutAudioFailsAndTheOthersStay) {
  const InputList list = ExpandInputs({At("empty"), At("b.wav"), At("gone.wav")}, false);
  EXPECT_THAT(Names(list), ElementsAre("b.wav", "gone.wav"));
  ASSERT_EQ(list.failures.size(), 1u);
  EXPECT_EQ(list.failures[0].argument, At("empty"));
}

TEST(GlobTest, Matches) {
  EXPECT_TRUE(GlobMatches("*.mp3", "a.mp3"));
  EXPECT_FALSE(GlobMatches("*.mp3", "d/a.mp3"));
  EXPECT_TRUE(GlobMatches("**/*.mp3", "a.mp3"));
  EXPECT_TRUE(GlobMatches("**/*.mp3", "x/y/a.mp3"));
  EXPECT_TRUE(GlobMatches("d/**", "d/x/y"));
  EXPECT_TRUE(GlobMatches("a?[0-9].wav", "ab7.wav"));
  EXPECT_FALSE(GlobMatches("a[!0-9].wav", "a7.wav"));
  EXPECT_TRUE(GlobMatches("a[.wav", "a[.wav"));
  EXPECT_FALSE(GlobMatches("", "a"));
}

TEST(OutputPlanTest, NamesAsOpenAiWhisperDoes) {
  const auto bases =
      PlanOutputs({{"in/talk.v2.mp3", ""}, {"-", ""}, {"in/s/x.wav", "s"}}, "out", "");
  ASSERT_TRUE(bases.ok());
  EXPECT_THAT(*bases, ElementsAre("out/talk.v2", "out/stdin", "out/s/x"));
}

TEST(OutputPlanTest, SameStemKeepsTheExtension) {
  const auto bases =
      PlanOutputs({{"a/talk.mp3", ""}, {"a/talk.wav", ""}, {"a/other.wav", ""}}, "", "");
  ASSERT_TRUE(bases.ok());
  EXPECT_THAT(*bases, ElementsAre("talk.mp3", "talk.wav", "other"));
}

TEST(OutputPlanTest, NoResultOverwritesAnother) {
  const auto bases = PlanOutputs({{"a/talk.mp3", ""}, {"b/talk.mp3", ""}}, "out", "");
  ASSERT_FALSE(bases.ok());
  EXPECT_THAT(bases.status().message(), HasSubstr("a/talk.mp3 and b/talk.mp3"));
}

}  // namespace
}  // namespace tessera::cli
