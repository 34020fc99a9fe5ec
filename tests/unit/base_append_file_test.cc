#include "base/append_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class AppendFileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }
  std::string Content() { return *ReadFile(path_, 1000); }

  const std::string path_ = TempPath("append_file");
};

TEST_F(AppendFileTest, GrowsAndIsReadableMeanwhile) {
  auto file = AppendFile::Open(path_, 0);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Append(AsBytes("one ")).ok());
  EXPECT_EQ(Content(), "one ");
  ASSERT_TRUE(file->Append(AsBytes("two")).ok());
  ASSERT_TRUE(file->Overwrite(0, AsBytes("ONE")).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(file->size(), 7u);
  EXPECT_EQ(Content(), "ONE two");
}

TEST_F(AppendFileTest, KeepsTheBeginningAndCutsTheRest) {
  {
    ASSERT_TRUE(AppendFile::Open(path_, 0)->Append(AsBytes("whole line\ntorn li")).ok());
  }
  auto file = AppendFile::Open(path_, 11);
  ASSERT_TRUE(file.ok());
  AppendFile moved = std::move(*file);
  ASSERT_TRUE(moved.Append(AsBytes("next")).ok());
  EXPECT_EQ(Content(), "whole line\nnext");
}

TEST_F(AppendFileTest, RefusesWhatItCannotContinue) {
  {
    ASSERT_TRUE(AppendFile::Open(path_, 0)->Append(AsBytes("short")).ok());
  }
  EXPECT_EQ(AppendFile::Open(path_, 6).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Content(), "short");
  EXPECT_FALSE(AppendFile::Open(::testing::TempDir(), 0).ok());
  EXPECT_FALSE(AppendFile::Open(path_ + "/below", 0).ok());
  EXPECT_EQ(AppendFile::Open("/dev/null", 0).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tessera
