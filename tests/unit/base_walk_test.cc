// Walking folders, stamps and locks.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/file.h"
#include "base/file_lock.h"
#include "base/folder_walk.h"
#include "base/glob.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

class WalkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-walk-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(root_).ok()); }
  std::string At(const std::string& name) const { return JoinPath(root_, name); }
  void Write(const std::string& name) {
    std::filesystem::create_directories(std::filesystem::path(At(name)).parent_path());
    std::ofstream(At(name)) << name;
  }
  std::vector<std::string> Names(const FolderFiles& found) const {
    std::vector<std::string> names;
    for (const WalkedFile& file : found.files) names.push_back(file.path.substr(root_.size() + 1));
    return names;
  }

  std::string root_;
};

bool All(const std::string&, bool) { return true; }

TEST_F(WalkTest, FindsFilesBelowInOrderAndFollowsLinksToFilesOnly) {
  for (const char* name : {"b/x", "a", "b.txt", "b/c/y"}) Write(name);
  ASSERT_EQ(symlink("../a", At("b/link").c_str()), 0);
  ASSERT_EQ(symlink(".", At("loop").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", At("broken").c_str()), 0);
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  const auto found = WalkFolder(root_, All);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(Names(*found), ElementsAre("a", "b.txt", "b/c/y", "b/link", "b/x"));
  EXPECT_TRUE(found->failures.empty());
  EXPECT_EQ(found->files[0].stamp, *StampOfFile(At("a")));
  EXPECT_EQ(found->files[3].stamp, *StampOfFile(At("a"))) << "of the file, not of the link";
  EXPECT_EQ(found->files[2].stamp.size, 5u);

  const auto some = WalkFolder(root_, [&](const std::string& path, bool is_folder) {
    return is_folder ? path != At("b/c") : !path.ends_with(".txt");
  });
  EXPECT_THAT(Names(*some), ElementsAre("a", "b/link", "b/x"));
}

TEST_F(WalkTest, SaysWhatItCannotRead) {
  Write("x");
  Write("y");
  EXPECT_EQ(WalkFolder(At("none"), All).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(WalkFolder(root_, All, 1).status().code(), StatusCode::kResourceExhausted);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(WalkFolder(root_, All, 9, stop.get_token()).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(StampOfFile(root_).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(StampOfFile(At("none")).status().code(), StatusCode::kNotFound);
}

TEST_F(WalkTest, AShutFolderIsAFailureBesideWhatIsFound) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every folder";
  Write("open/x");
  Write("shut/y");
  ASSERT_EQ(chmod(At("shut").c_str(), 0), 0);
  const auto found = WalkFolder(root_, All);
  ASSERT_EQ(chmod(At("shut").c_str(), 0700), 0);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(Names(*found), ElementsAre("open/x"));
  ASSERT_EQ(found->failures.size(), 1u);
  EXPECT_EQ(found->failures[0].path, At("shut"));
  EXPECT_EQ(found->failures[0].status.code(), StatusCode::kPermissionDenied);
}

TEST_F(WalkTest, AStampShowsEveryChange) {
  Write("x");
  const FileStamp before = *StampOfFile(At("x"));
  EXPECT_EQ(*StampOfFile(At("x")), before);
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, At("x").c_str(), old, 0), 0);
  EXPECT_EQ(StampOfFile(At("x"))->modified_ns, int64_t{1000} * 1000000000);
  EXPECT_FALSE(*StampOfFile(At("x")) == before);
}

TEST_F(WalkTest, ALockHasOneHolderAndEndsWithItsProcess) {
  const std::string path = At("index");
  {
    std::optional<FileLock> held = std::move(FileLock::Acquire(path)).value();
    EXPECT_EQ(FileLock::Acquire(path).status().code(), StatusCode::kUnavailable);
    EXPECT_TRUE(FileLock::Acquire(At("other")).ok());
    FileLock moved = std::move(*held);
    held.reset();
    EXPECT_EQ(FileLock::Acquire(path).status().code(), StatusCode::kUnavailable);
  }
  EXPECT_TRUE(FileLock::Acquire(path).ok());
  EXPECT_THAT(*ListFolder(root_), ElementsAre()) << "no lock file is left";
  EXPECT_FALSE(FileLock::Acquire(At("none/index")).ok());
  EXPECT_TRUE(FileLock::Acquire(At(std::string(255, 'n'))).ok());

  // A holder that dies leaves the file, not the lock.
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Acquire(path);
    _exit(lock.ok() ? 0 : 1);
  }
  int state = 1;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_EQ(state, 0);
  EXPECT_THAT(*ListFolder(root_), ElementsAre(".index.lock"));
  EXPECT_TRUE(FileLock::Acquire(path).ok());
}

TEST(GlobTest, Patterns) {
  EXPECT_TRUE(GlobMatches("*.log", "a.log"));
  EXPECT_FALSE(GlobMatches("*.log", "a/b.log"));
  EXPECT_TRUE(GlobMatches("**/build/*", "x/y/build/z"));
  EXPECT_TRUE(GlobMatches("**/build/*", "build/z"));
}

}  // namespace
}  // namespace tessera
