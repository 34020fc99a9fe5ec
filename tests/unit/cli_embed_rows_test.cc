// Rows of vectors written, torn and read back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/vector_output.h"
#include "formats/npy.h"
#include "tests/unit/temp_path.h"

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr float kVector[] = {1.0F, -0.1F, 1e-30F, 0.333333343F};

Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(VectorRowsTest, AJsonRowHasWhatThereIs) {
  TextRecord record{.text = "say \"hi\"\n\xFF", .line = 3, .id = "a\"b"};
  VectorRow row{.index = 5,
                .hash = 0xAB,
                .source = "in/x.txt",
                .record = &record,
                .with_text = true,
                .num_tokens = 9,
                .truncated = true,
                .vector = kVector};
  std::string text;
  AppendJsonRow(row, &text);
  EXPECT_THAT(text, testing::StartsWith("{\"index\":5,\"hash\":\"00000000000000ab\","));
  EXPECT_TRUE(text.ends_with("]}\n"));
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["id"], "a\"b");
  EXPECT_EQ(json["source"], "in/x.txt");
  EXPECT_EQ(json["line"], 3);
  EXPECT_EQ(json["tokens"], 9);
  EXPECT_EQ(json["truncated"], true);
  EXPECT_EQ(json["text"], "say \"hi\"\n\xEF\xBF\xBD");
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(json["embedding"][i].get<float>(), kVector[i]);

  record = {.text = "x", .id = "17", .id_is_number = true};
  text.clear();
  AppendJsonRow({.record = &record}, &text);
  EXPECT_EQ(text, "{\"index\":0,\"hash\":\"0000000000000000\",\"id\":17,\"tokens\":0}\n");
}

TEST(VectorRowsTest, ACsvRowIsQuotedWhereNeeded) {
  const TextRecord record{.text = std::string("a,\"b\"\n\0", 7), .line = 2, .id = "x"};
  std::string text;
  AppendCsvRow({.index = 1,
                .hash = 1,
                .source = "s",
                .record = &record,
                .with_text = true,
                .num_tokens = 3,
                .vector = std::span(kVector).first(2)},
               &text);
  EXPECT_EQ(text,
            "1,0000000000000001,\"x\",\"s\",2,3,false,\"a,\"\"b\"\"\n\xEF\xBF\xBD\",1,-0.1\n");
  EXPECT_EQ(CsvHeader(2, true), "index,hash,id,source,line,tokens,truncated,text,0,1\n");
}

// Rows whose text is as hard to read back as can be.
std::string Rows(VectorFormat format, int count) {
  FormattedRows rows;
  for (int i = 0; i < count; ++i) {
    const TextRecord record{.text = "line\n1,0000000000000001,\"" + std::to_string(i)};
    FormatRow(format,
              {.index = i,
               .hash = 100 + static_cast<uint64_t>(i),
               .record = &record,
               .with_text = true,
               .vector = kVector},
              &rows);
  }
  return rows.lines;
}

// Cut at every byte, the file has exactly the rows that are whole.
TEST(VectorRowsTest, ATornTailIsFoundAtEveryByte) {
  const std::string header = CsvHeader(4, true);
  for (const VectorFormat format : {VectorFormat::kJsonLines, VectorFormat::kCsv}) {
    const std::string begin = format == VectorFormat::kCsv ? header : "";
    std::vector<size_t> ends;
    for (int n = 0; n <= 3; ++n) ends.push_back(begin.size() + Rows(format, n).size());
    const std::string content = begin + Rows(format, 3);
    for (size_t size = 0; size <= content.size(); ++size) {
      const Bytes torn = AsBytes(std::string_view(content).substr(0, size));
      const auto rows =
          format == VectorFormat::kCsv ? ReadCsvRows(torn, header) : ReadJsonRows(torn);
      ASSERT_TRUE(rows.ok()) << size;
      size_t whole = 0;
      while (whole < 3 && ends[whole + 1] <= size) ++whole;
      ASSERT_THAT(rows->hashes, SizeIs(whole)) << size;
      ASSERT_EQ(rows->bytes, size < begin.size() ? 0 : ends[whole]);
      for (size_t i = 0; i < whole; ++i) ASSERT_EQ(rows->hashes[i], 100 + i);
    }
  }
}

TEST(VectorRowsTest, DamageEndsTheWholeRows) {
  std::string content = Rows(VectorFormat::kJsonLines, 3);
  const size_t second = content.find('\n') + 1;
  content[second + 40] = '\0';  // a hole that a crash has left
  EXPECT_THAT(ReadJsonRows(AsBytes(content))->hashes, ElementsAre(100));
  // A row is missing.
  const std::string rows = Rows(VectorFormat::kJsonLines, 3);
  const size_t third = rows.find('\n', second) + 1;
  const std::string gap = rows.substr(0, second) + rows.substr(third);
  EXPECT_THAT(ReadJsonRows(AsBytes(gap))->hashes, ElementsAre(100));
  EXPECT_THAT(ReadJsonRows(AsBytes(rows), 2)->hashes, ElementsAre(100, 101));
}

TEST(VectorRowsTest, AnotherFileIsNotTakenForOne) {
  for (const char* other : {"my notes", "{\"index\":0}\n", "{\"text\":\"a\"}\n", "\n"}) {
    EXPECT_EQ(ReadJsonRows(AsBytes(other)).status().code(), StatusCode::kInvalidArgument) << other;
  }
  const std::string header = CsvHeader(4, false);
  for (const char* other : {"a,b\n1,2\n", "index,hash,id,source,line,tokens,truncated,0,1\n"}) {
    EXPECT_EQ(ReadCsvRows(AsBytes(other), header).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(CountNpyRows(AsBytes("text"), 4).ok());
  EXPECT_FALSE(CountNpyRows(AsBytes(NpyHeader(7, 5)), 4).ok());
  EXPECT_EQ(*CountNpyRows(AsBytes(""), 4), 0u);
  EXPECT_EQ(*CountNpyRows(AsBytes(NpyHeader(0, 4).substr(0, 50)), 4), 0u);
  EXPECT_EQ(*CountNpyRows(AsBytes(NpyHeader(7, 4) + std::string(47, 'x')), 4), 2u);
}

class VectorOutputTest : public ::testing::Test {
 protected:
  void SetUp() override { Clean(); }
  void TearDown() override { Clean(); }
  void Clean() {
    for (const char* name : {"v.npy", "v.npy.jsonl", "v.csv"})
      ASSERT_TRUE(RemoveFile(At(name)).ok());
  }
  static std::string At(const std::string& name) { return TempPath("vector_output_" + name); }
  static VectorOutputOptions Npy(bool resume) {
    return {.path = At("v.npy"), .format = VectorFormat::kNpy, .dimensions = 4, .resume = resume};
  }
  static FormattedRows Some(VectorFormat format, int begin, int end) {
    FormattedRows rows;
    for (int i = begin; i < end; ++i) {
      const TextRecord record;
      const float vector[] = {static_cast<float>(i), 1, 2, 3};
      FormatRow(format,
                {.index = i, .hash = static_cast<uint64_t>(i), .record = &record, .vector = vector},
                &rows);
    }
    return rows;
  }
};

TEST_F(VectorOutputTest, ANpyFileIsReadableAtAnyTimeAndIsContinued) {
  {
    auto output = VectorOutput::Open(Npy(true));
    ASSERT_TRUE(output.ok());
    EXPECT_THAT(output->finished(), IsEmpty());
    ASSERT_TRUE(output->Append(Some(VectorFormat::kNpy, 0, 3)).ok());
    EXPECT_THAT(OpenNpy(At("v.npy"))->shape(), ElementsAre(3, 4));
  }
  // Killed when the vectors of two more rows were there, the line of one, and half of another.
  auto file = AppendFile::Open(At("v.npy"), *FileSize(At("v.npy")));
  ASSERT_TRUE(file->Append(AsBytes(std::string(2 * 16 + 3, 'x'))).ok());
  const auto more = Some(VectorFormat::kNpy, 3, 5);
  auto lines = AppendFile::Open(At("v.npy.jsonl"), *FileSize(At("v.npy.jsonl")));
  ASSERT_TRUE(
      lines->Append(AsBytes(std::string_view(more.lines).substr(0, more.lines.size() - 5))).ok());

  auto output = VectorOutput::Open(Npy(true));
  ASSERT_TRUE(output.ok()) << output.status().message();
  EXPECT_THAT(output->finished(), ElementsAre(0, 1, 2, 3));
  ASSERT_TRUE(output->Append(Some(VectorFormat::kNpy, 4, 6)).ok());
  ASSERT_TRUE(output->Finish().ok());
  const auto whole = OpenNpy(At("v.npy"));
  ASSERT_TRUE(whole.ok());
  EXPECT_THAT(whole->shape(), ElementsAre(6, 4));
  EXPECT_EQ(*FileSize(At("v.npy")), kNpyHeaderBytes + 6 * 16);
  EXPECT_THAT(ReadJsonRows(AsBytes(*ReadFile(At("v.npy.jsonl"), 10000)))->hashes, SizeIs(6));
}

TEST_F(VectorOutputTest, FewerVectorsThanLinesCount) {
  {
    auto output = VectorOutput::Open(Npy(false));
    ASSERT_TRUE(output->Append(Some(VectorFormat::kNpy, 0, 3)).ok());
  }
  {
    ASSERT_TRUE(AppendFile::Open(At("v.npy"), kNpyHeaderBytes + 2 * 16 + 1).ok());
  }
  auto output = VectorOutput::Open(Npy(true));
  ASSERT_TRUE(output.ok());
  EXPECT_THAT(output->finished(), ElementsAre(0, 1));
  ASSERT_TRUE(RemoveFile(At("v.npy.jsonl")).ok());
  EXPECT_THAT(VectorOutput::Open(Npy(true)).status().message(), HasSubstr("v.npy.jsonl"));
}

TEST_F(VectorOutputTest, OpeningChangesNothingAndWithoutRowsAFileIsThere) {
  const VectorOutputOptions options = {
      .path = At("v.csv"), .format = VectorFormat::kCsv, .dimensions = 4};
  {
    auto output = VectorOutput::Open(options);
    ASSERT_TRUE(output.ok());
    EXPECT_FALSE(FileExists(At("v.csv")));
    ASSERT_TRUE(output->Finish().ok());
  }
  EXPECT_EQ(*ReadFile(At("v.csv"), 1000), CsvHeader(4, false));
  auto output = VectorOutput::Open(options);
  ASSERT_TRUE(output->Append(Some(VectorFormat::kCsv, 0, 1)).ok());
  EXPECT_THAT(*ReadFile(At("v.csv"), 1000), HasSubstr("\n0,0000000000000000,"));
}

TEST(VectorFormatTest, ByExtension) {
  EXPECT_EQ(VectorFormatOf("a.jsonl"), VectorFormat::kJsonLines);
  EXPECT_EQ(VectorFormatOf("a.CSV"), VectorFormat::kCsv);
  EXPECT_EQ(VectorFormatOf("a.npy"), VectorFormat::kNpy);
  EXPECT_EQ(VectorFormatOf("a.txt"), std::nullopt);
}

}  // namespace
}  // namespace tessera::cli
