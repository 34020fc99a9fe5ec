// Which file of packed weights belongs to which model, and what remains in the folder.
#include "runtime/packed_weights.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>

#include "base/atomic_file.h"
#include "base/file.h"
#include "providers/cpu/packed_file.h"

namespace tessera {
namespace {

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_) {
      setenv(name_, old_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

class PackedWeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-keys-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    cache_.emplace("XDG_CACHE_HOME", root_);
    enabled_.emplace("TESSERA_NO_CACHE", "");
    folder_ = JoinPath(root_, "tessera/packed");
    model_ = JoinPath(root_, "models/my model/model.bin");
    ASSERT_TRUE(MakeFolders(JoinPath(root_, "models/my model")).ok());
    ASSERT_TRUE(WriteFileAtomically(model_, "weights").ok());
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(root_).ok()); }

  // Change times cannot be set, so files get old by a later clock.
  static std::optional<CompileCacheKey> KeyOf(const std::string& path,
                                              const std::string& variant = "cpu-int8",
                                              int64_t seconds_later = 3) {
    const std::shared_ptr<const MappedFile> file = *MappedFile::Open(path);
    return PackedWeightsKey(std::span(&file, 1), variant, NowNs() + seconds_later * 1000000000);
  }
  void SetModified(const std::string& path, int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  std::string Packed(const std::string& name, const std::string& source, size_t floats,
                     int64_t seconds) {
    EXPECT_TRUE(MakeFolders(folder_).ok());
    const std::vector<float> values(floats, 1.5f);
    ThreadPool pool(1);
    const std::string path = JoinPath(folder_, name);
    const cpu::PackedFile file{
        "id",
        source,
        {{"a",
          cpu::PackedKind::kFloats,
          kernels::Precision::kF32,
          static_cast<int64_t>(floats),
          1,
          0,
          {reinterpret_cast<const uint8_t*>(values.data()), floats * sizeof(float)}}}};
    EXPECT_TRUE(cpu::WritePackedFile(path, file, pool).ok());
    SetModified(path, seconds);
    return path;
  }

  std::string root_, folder_, model_;
  std::optional<Environment> cache_, enabled_;
};

TEST_F(PackedWeightsTest, AKeyFollowsTheFile) {
  EXPECT_FALSE(KeyOf(model_, "cpu-int8", 0)) << "a file of this second may still change unseen";
  EXPECT_FALSE(KeyOf(model_, "cpu-int8", 1));
  const auto key = KeyOf(model_);
  ASSERT_TRUE(key);
  EXPECT_THAT(key->file, testing::StartsWith(folder_ + "/my_model-cpu-int8-"));
  EXPECT_THAT(key->file, testing::EndsWith(".packed"));
  EXPECT_THAT(key->source, testing::EndsWith("my model/model.bin"));
  EXPECT_EQ(KeyOf(model_)->file, key->file);
  EXPECT_EQ(KeyOf(model_)->identity, key->identity);
  // Another way to write the path is the same file.
  EXPECT_EQ(KeyOf(root_ + "/models/../models/my model/model.bin")->identity, key->identity);
  const auto other = KeyOf(model_, "cpu-f32");
  EXPECT_NE(other->file, key->file);
  EXPECT_NE(other->identity, key->identity);

  // The same size and modification time in the same place: the change time and the inode tell.
  const std::shared_ptr<const MappedFile> before = *MappedFile::Open(model_);
  const int64_t modified = before->stamp().modified_ns;
  ASSERT_TRUE(WriteFileAtomically(model_, "WEIGHTS").ok());
  const timespec times[2] = {{modified / 1000000000, modified % 1000000000},
                             {modified / 1000000000, modified % 1000000000}};
  ASSERT_EQ(utimensat(AT_FDCWD, model_.c_str(), times, 0), 0);
  const auto replaced = KeyOf(model_);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->file, key->file);
  EXPECT_NE(replaced->identity, key->identity);
  // Whoever still has the old file mapped goes on with its identity.
  EXPECT_EQ(PackedWeightsKey(std::span(&before, 1), "cpu-int8", NowNs() + 3000000000)->identity,
            key->identity);
}

TEST_F(PackedWeightsTest, CanBeTurnedOff) {
  ASSERT_TRUE(KeyOf(model_));
  {
    const Environment off("TESSERA_NO_CACHE", "1");
    EXPECT_FALSE(PackedWeightsEnabled());
    EXPECT_FALSE(KeyOf(model_));
  }
  const Environment zero("TESSERA_NO_CACHE", "0");
  EXPECT_TRUE(PackedWeightsEnabled());
  EXPECT_FALSE(PackedWeightsKey({}, "cpu-int8"));
}

TEST_F(PackedWeightsTest, ListsAndClears) {
  EXPECT_TRUE(ListPackedWeights(folder_)->empty());
  EXPECT_EQ(*ClearPackedWeights(folder_), 0u);
  const std::string old = Packed("old.packed", "/gone", 10, 1000);
  const std::string fresh = Packed("new.packed", model_, 5000, 2000);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "broken.packed"), "no header").ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "notes.txt"), "not ours").ok());
  const auto list = *ListPackedWeights(folder_);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].source, "");
  EXPECT_EQ(list[1].path, fresh);
  EXPECT_EQ(list[1].source, model_);
  EXPECT_EQ(list[1].bytes, *FileSize(fresh));
  EXPECT_EQ(list[2].path, old);
  EXPECT_EQ(*ClearPackedWeights(folder_), list[0].bytes + list[1].bytes + list[2].bytes);
  EXPECT_THAT(*ListFolder(folder_), testing::ElementsAre("notes.txt"));
}

TEST_F(PackedWeightsTest, TrimsWhatIsOfNoUse) {
  Packed("gone.packed", JoinPath(root_, "no such model"), 10, 5000);
  const std::string oldest = Packed("oldest.packed", model_, 4000, 1000);
  const std::string middle = Packed("middle.packed", model_, 4000, 2000);
  const std::string newest = Packed("newest.packed", model_, 4000, 3000);
  ASSERT_TRUE(
      WriteFileAtomically(JoinPath(folder_, ".newest.packed.1-0.tmp"), "being written").ok());
  const uint64_t each = *FileSize(newest);
  TrimPackedWeights(folder_, 3 * each);
  EXPECT_THAT(*ListFolder(folder_), testing::ElementsAre(".newest.packed.1-0.tmp", "middle.packed",
                                                         "newest.packed", "oldest.packed"));
  TrimPackedWeights(folder_, 2 * each);
  EXPECT_THAT(*ListFolder(folder_),
              testing::ElementsAre(".newest.packed.1-0.tmp", "middle.packed", "newest.packed"));
}

}  // namespace
}  // namespace tessera
