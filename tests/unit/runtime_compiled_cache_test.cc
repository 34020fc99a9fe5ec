// The cache of compiled models: what is removed first, and what never.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/folder_walk.h"
#include "runtime/compiled_cache.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr uint64_t kMegabyte = uint64_t{1} << 20;

class CompiledCacheTest : public ::testing::Test {
 protected:
  CompiledCacheTest() : root_(TempPath("compiled")) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~CompiledCacheTest() override {
    fs::remove_all(root_);
    unsetenv("TESSERA_COMPILED_LIMIT");
  }

  void Write(const fs::path& path, size_t bytes) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << std::string(bytes, 'x');
  }
  // A model's folder of a megabyte, used `hours` ago.
  void Add(const std::string& name, int hours) {
    Write(fs::path(root_) / name / "stage" / "model.bin", kMegabyte);
    std::ofstream(fs::path(root_) / name / "identity")
        << "1\nbackend mock:npu 3.1 libmock.so\nsource /models/" << name;
    std::ofstream(fs::path(root_) / name / "used");
    fs::last_write_time(fs::path(root_) / name / "used",
                        fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto list = ListCompiledCache(root_);
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    for (const CompiledCacheInfo& info : *list) names.push_back(fs::path(info.path).filename());
    return names;
  }

  const std::string root_;
};

TEST_F(CompiledCacheTest, WhatWasUsedLongestAgoGoesFirst) {
  Add("a", 3);
  Add("b", 1);
  Add("c", 2);
  EXPECT_THAT(Names(), ElementsAre("b", "c", "a"));
  const auto list = ListCompiledCache(root_);
  EXPECT_EQ((*list)[0].source, "/models/b");
  EXPECT_EQ((*list)[0].provider, "mock:npu 3.1");
  EXPECT_GE((*list)[0].bytes, kMegabyte);
  EXPECT_LT((*list)[0].bytes, kMegabyte + kMegabyte / 4);
  TrimCompiledCache(root_, 4 * kMegabyte);
  EXPECT_THAT(Names(), ElementsAre("b", "c", "a"));
  TrimCompiledCache(root_, 2 * kMegabyte + kMegabyte / 2);
  EXPECT_THAT(Names(), ElementsAre("b", "c"));
  // Use makes it the last to go.
  CompiledCacheUse::Begin(root_, "c")->Mark();
  EXPECT_THAT(Names(), ElementsAre("c", "b"));
  TrimCompiledCache(root_, 0);
  EXPECT_THAT(Names(), ElementsAre());
  EXPECT_TRUE(fs::is_empty(root_)) << "no locks are left";
}

TEST_F(CompiledCacheTest, WhatIsInUseStays) {
  Add("a", 3);
  Add("b", 1);
  {
    const auto use = CompiledCacheUse::Begin(root_, "a"),
               second = CompiledCacheUse::Begin(root_, "a");
    ASSERT_NE(use, nullptr);
    ASSERT_NE(second, nullptr) << "several may use one";
    EXPECT_TRUE(ListCompiledCache(root_)->back().in_use);
    EXPECT_FALSE(ListCompiledCache(root_)->front().in_use);
    TrimCompiledCache(root_, 0);
    EXPECT_THAT(Names(), ElementsAre("a"));
    EXPECT_EQ(*ClearCompiledCache(root_), 0u);
    EXPECT_THAT(Names(), ElementsAre("a"));
  }
  EXPECT_GE(*ClearCompiledCache(root_), kMegabyte);
  EXPECT_THAT(Names(), ElementsAre());
}

TEST_F(CompiledCacheTest, FoldersAreMeasuredByWhatTheyTakeOnTheDisk) {
  const fs::path outside = root_ + "-outside";
  Write(outside / "large", 8 * kMegabyte);
  Add("a", 1);
  const uint64_t before = UsageOfFolder(root_)->bytes;
  fs::create_symlink(outside / "large", fs::path(root_) / "a" / "link");
  fs::create_directory_symlink(outside, fs::path(root_) / "a" / "folder");
  fs::create_directory_symlink("..", fs::path(root_) / "a" / "loop");
  fs::create_directory_symlink(outside, fs::path(root_) / "b");
  fs::create_hard_link(fs::path(root_) / "a" / "stage" / "model.bin",
                       fs::path(root_) / "a" / "same");
  std::ofstream(fs::path(root_) / "a" / "holes");
  fs::resize_file(fs::path(root_) / "a" / "holes", uint64_t{1} << 40);
  const auto usage = UsageOfFolder(root_);
  EXPECT_TRUE(usage->complete);
  EXPECT_LT(usage->bytes, before + kMegabyte / 4);
  EXPECT_FALSE(UsageOfFolder(root_, 3)->complete);
  EXPECT_EQ(UsageOfFolder((fs::path(root_) / "b").string()).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(UsageOfFolder(root_ + "/none").status().code(), StatusCode::kNotFound);
  // A link in the place of a model is nobody's folder, and what links point to stays.
  EXPECT_THAT(Names(), ElementsAre("a"));
  ASSERT_TRUE(ClearCompiledCache(root_).ok());
  EXPECT_THAT(Names(), ElementsAre());
  EXPECT_EQ(fs::file_size(outside / "large"), 8 * kMegabyte);
  fs::remove_all(outside);
}

TEST_F(CompiledCacheTest, TheLimitIsAnOption) {
  EXPECT_EQ(CompiledCacheLimit(), uint64_t{4} << 30);
  setenv("TESSERA_COMPILED_LIMIT", "0.5", 1);
  EXPECT_EQ(CompiledCacheLimit(), 500000000u);
  setenv("TESSERA_COMPILED_LIMIT", "0", 1);
  EXPECT_EQ(CompiledCacheLimit(), 0u);
  for (const char* nonsense : {"-1", "x", "1e99", "nan"}) {
    setenv("TESSERA_COMPILED_LIMIT", nonsense, 1);
    EXPECT_EQ(CompiledCacheLimit(), uint64_t{4} << 30) << nonsense;
  }
}

}  // namespace
}  // namespace tessera
