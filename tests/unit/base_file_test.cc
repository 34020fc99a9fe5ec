// Files, atomic writes, mappings and SHA-256.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/sha256.h"

namespace tessera {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-file-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(folder_).ok()); }
  std::string At(const std::string& name) const { return JoinPath(folder_, name); }

  std::string folder_;
};

Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST_F(FileTest, WhatIsWrittenIsReadBack) {
  const std::string content("a\0b\n\xff", 5);
  ASSERT_TRUE(WriteFileAtomically(At("x"), content).ok());
  EXPECT_EQ(*ReadFile(At("x"), 5), content);
  EXPECT_EQ(*FileSize(At("x")), 5u);
  EXPECT_EQ(*ListFolder(folder_), std::vector<std::string>{"x"}) << "no temporary file is left";
}

TEST_F(FileTest, ReadStopsAtTheLimit) {
  ASSERT_TRUE(WriteFileAtomically(At("x"), "12345").ok());
  EXPECT_EQ(ReadFile(At("x"), 4).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(At("none"), 4).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(ReadFile(folder_, 4).ok());
  EXPECT_EQ(ReadFile("/dev/zero", 1 << 20).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(FileTest, ReplacingKeepsModeAndFollowsLinks) {
  ASSERT_TRUE(WriteFileAtomically(At("x"), "old").ok());
  ASSERT_EQ(chmod(At("x").c_str(), 0640), 0);
  ASSERT_EQ(symlink("x", At("link").c_str()), 0);
  ASSERT_TRUE(WriteFileAtomically(At("link"), "new").ok());
  EXPECT_EQ(*ReadFile(At("x"), 10), "new");
  struct stat info = {};
  ASSERT_EQ(lstat(At("link").c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  ASSERT_EQ(stat(At("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

// RLIMIT_FSIZE makes write() fail with EFBIG, as a full disk does with ENOSPC: the only way without
// a file system of our own.
TEST_F(FileTest, AFailingDiskLeavesTheOldFile) {
  ASSERT_TRUE(WriteFileAtomically(At("x"), "old").ok());
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = WriteFileAtomically(At("x"), std::string(5000, 'n'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_EQ(*ReadFile(At("x"), 10), "old");
  EXPECT_EQ(ListFolder(folder_)->size(), 1u);
}

TEST_F(FileTest, AnAbandonedWriterLeavesNothing) {
  {
    auto writer = AtomicFileWriter::Create(At("x"));
    ASSERT_TRUE(writer.ok());
    AtomicFileWriter moved = std::move(writer).value();
    ASSERT_TRUE(moved.Append(AsBytes("abc")).ok());
  }
  EXPECT_TRUE(ListFolder(folder_)->empty());
  EXPECT_FALSE(AtomicFileWriter::Create(At("no/such/folder")).ok());
  EXPECT_EQ(AtomicFileWriter::Create(folder_).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(FileTest, MapsAFile) {
  const std::string content(10000, 'm');
  ASSERT_TRUE(WriteFileAtomically(At("x"), content).ok());
  const auto file = MappedFile::Open(At("x"));
  ASSERT_TRUE(file.ok());
  (*file)->Prefetch();
  (*file)->DontNeed(1, 9999);
  (*file)->DontNeed(20000, 1);
  ASSERT_EQ((*file)->bytes().size(), content.size());
  EXPECT_EQ(std::string((*file)->bytes().begin(), (*file)->bytes().end()), content);
}

TEST_F(FileTest, MapsOnlyRegularFiles) {
  ASSERT_TRUE(WriteFileAtomically(At("empty"), "").ok());
  EXPECT_TRUE((*MappedFile::Open(At("empty")))->bytes().empty());
  EXPECT_EQ(MappedFile::Open(At("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(folder_).status().code(), StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::Open(At("pipe")).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(FileTest, ModelsFolderFollowsTheEnvironment) {
  const auto set = [](const char* name, const char* value) {
    if (value == nullptr) {
      unsetenv(name);
    } else {
      setenv(name, value, 1);
    }
  };
  const char* const names[] = {"TESSERA_MODELS", "XDG_CACHE_HOME", "HOME"};
  std::vector<std::pair<const char*, std::string>> saved;
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) saved.emplace_back(name, value);
    set(name, nullptr);
  }
  EXPECT_EQ(ModelsFolder().status().code(), StatusCode::kNotFound);
  set("HOME", "/h");
  EXPECT_EQ(*ModelsFolder(), "/h/.cache/tessera/models");
  set("XDG_CACHE_HOME", "relative");
  EXPECT_EQ(*ModelsFolder(), "/h/.cache/tessera/models");
  set("XDG_CACHE_HOME", "/c/");
  EXPECT_EQ(*ModelsFolder(), "/c/tessera/models");
  set("TESSERA_MODELS", "m");
  EXPECT_EQ(*ModelsFolder(), "m");
  for (const char* name : names) set(name, nullptr);
  for (const auto& [name, value] : saved) set(name, value.c_str());
}

TEST(JoinPath, PutsOneSlash) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(BaseName("a/b"), "b");
  EXPECT_EQ(BaseName("b"), "b");
  EXPECT_EQ(BaseName("a/"), "");
}

// The examples of FIPS 180-4 (NIST's example values), and a million letters.
TEST(Sha256, MatchesTheStandard) {
  EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex(AsBytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(AsBytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(AsBytes(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  const std::string whole = Sha256Hex(AsBytes(text));
  for (size_t step = 1; step <= text.size(); ++step) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += step)
      hash.Update(AsBytes(std::string_view(text).substr(at, step)));
    EXPECT_EQ(hash.Finish(), whole) << "step " << step;
  }
}

TEST(Sha256, InstructionsAgreeWithTheScalarForm) {
  std::vector<uint8_t> blocks(64 * 33);
  uint32_t x = 1;
  for (uint8_t& byte : blocks) byte = static_cast<uint8_t>((x = x * 1664525u + 1013904223u) >> 24);
  std::array<uint32_t, 8> scalar = {1, 2, 3, 4, 5, 6, 7, 0x80000000u};
  std::array<uint32_t, 8> fast = scalar;
  internal::Sha256BlocksScalar(scalar, blocks.data(), 33);
  internal::Sha256Blocks(fast, blocks.data(), 33);
  EXPECT_EQ(scalar, fast);
}

}  // namespace
}  // namespace tessera
