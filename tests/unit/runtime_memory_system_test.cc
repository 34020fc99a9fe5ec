#include "runtime/memory_system.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tessera {
namespace {

class MemorySystem : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) /
            ("memory_system." +
             std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string root() const { return root_.string(); }

 private:
  std::filesystem::path root_;
};

TEST_F(MemorySystem, TheLargestCacheIsTaken) {
  EXPECT_EQ(LastLevelCacheBytes(root()), 0u);
  const std::string cache = "devices/system/cpu/cpu0/cache/index";
  Write(cache + "0/size", "32K\n");
  Write(cache + "1/size", "32K\n");
  Write(cache + "2/size", "1024K\n");
  EXPECT_EQ(LastLevelCacheBytes(root()), uint64_t{1} << 20);
  Write(cache + "3/size", "32M\n");
  EXPECT_EQ(LastLevelCacheBytes(root()), uint64_t{32} << 20);
}

TEST_F(MemorySystem, NonsenseIsNoSize) {
  const std::string cache = "devices/system/cpu/cpu0/cache/index";
  Write(cache + "0/size", "unknown\n");
  EXPECT_EQ(LastLevelCacheBytes(root()), 0u);
  Write(cache + "0/size", "18446744073709551615G\n");
  EXPECT_EQ(LastLevelCacheBytes(root()), 0u);
}

TEST_F(MemorySystem, AvailableMemory) {
  EXPECT_EQ(AvailableMemoryBytes(root()), 0u);
  Write("meminfo", "MemTotal:  8000000 kB\nMemFree:  10 kB\nMemAvailable:    4000000 kB\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), uint64_t{4000000} << 10);
  Write("meminfo", "MemTotal:  8000000 kB\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), 0u);
}

}  // namespace
}  // namespace tessera
