// The ZIP reader and the JSON helper: a good archive by Python's zipfile, and what hostile ones
// try.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "formats/json.h"
#include "formats/zip.h"

namespace tessera {
namespace {

using testing::HasSubstr;

std::string GoldenWheel() {
  return *ReadFile(TESSERA_SOURCE_DIR "/tests/golden/formats/wheel.zip", 100000);
}

Result<ZipArchive> Read(const std::string& text) {
  return ZipArchive::Read({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, nullptr);
}

Result<std::string> Content(const ZipArchive& archive, const std::string& name) {
  std::string content;
  const Status status = archive.Extract(*archive.Find(name), [&content](Bytes bytes) {
    content.append(bytes.begin(), bytes.end());
    return OkStatus();
  });
  if (!status.ok()) return status;
  return content;
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  ASSERT_EQ(from.size(), to.size());
  size_t count = 0;
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + 1), ++count)
    text.replace(at, to.size(), to);
  ASSERT_GT(count, 0u);
}

TEST(Zip, ReadsStoredAndDeflatedMembers) {
  const std::string text = GoldenWheel();
  const auto archive = Read(text);
  ASSERT_TRUE(archive.ok()) << archive.status().ToString();
  ASSERT_EQ(archive->members().size(), 2u);
  EXPECT_EQ(*Content(*archive, "pkg/data/stored.bin"), "stored part, ");
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += "deflated part. ";
  EXPECT_EQ(*Content(*archive, "pkg/data/deflated.bin"), expected);
  EXPECT_LT(archive->Find("pkg/data/deflated.bin")->compressed_size, 200u);
  EXPECT_EQ(archive->Find("pkg"), nullptr);
}

TEST(Zip, NoPrefixIsAnArchive) {
  const std::string text = GoldenWheel();
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Read(text.substr(0, size)).ok()) << size;
}

TEST(Zip, RefusesUnsafeNames) {
  for (const char* name :
       {"pkg/../a/stored.bin", "/kg/data/stored.bin", "pkg//ata/stored.bin", "pkg\\data/stored.bin",
        "./g/data/stored.bin", "pkg/data/stored.b/.", "C:g/data/stored.bin"}) {
    std::string text = GoldenWheel();
    ReplaceAll(text, "pkg/data/stored.bin", name);
    EXPECT_THAT(Read(text).status().ToString(), HasSubstr("unsafe")) << name;
  }
}

TEST(Zip, RefusesNamesThatDiffer) {
  std::string text = GoldenWheel();
  text[text.find("pkg/data/stored.bin")] = 'q';  // only in the local header
  EXPECT_THAT(Read(text).status().ToString(), HasSubstr("same name"));
}

TEST(Zip, RefusesWrongContent) {
  std::string text = GoldenWheel();
  text[text.find("stored part")] = 'S';
  auto archive = Read(text);
  ASSERT_TRUE(archive.ok());
  EXPECT_THAT(Content(*archive, "pkg/data/stored.bin").status().ToString(), HasSubstr("checksum"));
}

// The directory says less than the deflated data give: the classical bomb.
TEST(Zip, RefusesMoreThanTheDeclaredSize) {
  for (const uint32_t size : {2999u, 3001u}) {
    std::string text = GoldenWheel();
    const uint32_t real = 3000;
    std::string from(4, '\0');
    std::string to(4, '\0');
    std::memcpy(from.data(), &real, 4);
    std::memcpy(to.data(), &size, 4);
    ReplaceAll(text, from, to);
    const auto archive = Read(text);
    ASSERT_TRUE(archive.ok()) << archive.status().ToString();
    EXPECT_EQ(Content(*archive, "pkg/data/deflated.bin").status().code(), StatusCode::kDataLoss)
        << size;
  }
}

// Two directory entries of the same compressed bytes.
TEST(Zip, RefusesOverlap) {
  std::string text = GoldenWheel();
  const size_t directory = text.find("PK\x01\x02");
  const size_t second = text.find("PK\x01\x02", directory + 4);
  constexpr size_t kSizeAt = 20;
  uint32_t size = 0;
  std::memcpy(&size, text.data() + directory + kSizeAt, 4);
  size += 60;  // reaches into the second member
  std::memcpy(text.data() + directory + kSizeAt, &size, 4);
  std::memcpy(text.data() + directory + kSizeAt + 4, &size, 4);
  ASSERT_NE(second, text.npos);
  EXPECT_THAT(Read(text).status().ToString(), HasSubstr("overlap"));
}

TEST(Zip, AnErrorOfTheSinkEndsIt) {
  const std::string text = GoldenWheel();
  const auto archive = Read(text);
  const Status status =
      archive->Extract(archive->members()[1], [](Bytes) { return Cancelled("enough"); });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
}

TEST(Json, ParsesWithinLimits) {
  EXPECT_EQ((*ParseJson(R"({"a":[1,2.5,"x"],"b":{"a":null}})"))["a"][2], "x");
  EXPECT_EQ(*ParseJson("3", 0), 3);
  EXPECT_TRUE(ParseJson("[[1]]", 2).ok());
  EXPECT_THAT(ParseJson("[[1]]", 1).status().ToString(), HasSubstr("at most 1 nested"));
  EXPECT_EQ(ParseJson("[1,2]", 9, 4).status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(ParseJson(R"({"a":1,"a":2})").status().ToString(), HasSubstr("twice"));
  EXPECT_THAT(ParseJson(R"({"x":{"a":1,"b":{},"a":2}})").status().ToString(), HasSubstr("twice"));
}

TEST(Json, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", "{", "[1,]", "{\"a\" 1}", "nul", "[1] 2", "\"\xff\"", "'a'", "[1e999]", "// x\n1"}) {
    EXPECT_EQ(ParseJson(text).status().code(), StatusCode::kDataLoss) << text;
  }
  EXPECT_EQ(ParseJson(std::string(1 << 20, '[')).status().code(), StatusCode::kDataLoss);
  std::string many = "[0";
  for (size_t i = 0; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_EQ(ParseJson(many + "]").status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace tessera
