#include "base/temporary_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "base/atomic_file.h"
#include "base/file.h"

namespace tessera {
namespace {

TEST(TemporaryFolder, GoesWithAllThatIsInIt) {
  std::string first, second;
  {
    auto folder = TemporaryFolder::Create();
    ASSERT_TRUE(folder.ok()) << folder.status().ToString();
    first = folder->path();
    auto other = TemporaryFolder::Create();
    ASSERT_TRUE(other.ok());
    second = other->path();
    EXPECT_NE(first, second);
    EXPECT_EQ(std::filesystem::status(first).permissions(), std::filesystem::perms::owner_all);
    ASSERT_TRUE(MakeFolders(JoinPath(first, "a/b")).ok());
    ASSERT_TRUE(WriteFileAtomically(JoinPath(first, "a/b/file"), "x").ok());
    const TemporaryFolder moved = std::move(*folder);
    EXPECT_EQ(moved.path(), first);
    EXPECT_TRUE(FolderExists(second));
  }
  EXPECT_FALSE(FolderExists(first));
  EXPECT_FALSE(FolderExists(second));
}

}  // namespace
}  // namespace tessera
