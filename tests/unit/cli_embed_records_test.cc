// Texts out of files of every shape, good and bad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/text_records.h"

namespace tessera::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Records {
  std::vector<std::string> texts, ids, errors;
  std::vector<int64_t> lines;
};

// In pieces of `step` bytes, so that lines and quotes meet the ends of buffers.
Records Read(std::string_view content, const RecordOptions& options, size_t step = 1 << 16) {
  ReadBytes all = BytesOf(content);
  const auto reader = NewRecordReader(
      [&](std::span<char> out) { return all(out.first(std::min(out.size(), step))); }, options);
  Records records;
  TextRecord record;
  while (true) {
    const Result<bool> more = reader->Next(&record);
    if (!more.ok()) {
      records.errors.push_back(more.status().message());
      continue;
    }
    if (!*more) break;
    records.texts.push_back(record.text);
    records.ids.push_back(record.id);
    records.lines.push_back(record.line);
  }
  EXPECT_LE(reader->bytes_read(), content.size());
  return records;
}

TEST(TextRecordsTest, LinesAreRecordsAndWhiteOnesAreNone) {
  for (const size_t step : {1, 2, 3, 1000}) {
    const auto records = Read("\xEF\xBB\xBFone\r\n\n  \ntwo \xFF\nthree", {}, step);
    EXPECT_THAT(records.texts, ElementsAre("one", "two \xFF", "three"));
    EXPECT_THAT(records.lines, ElementsAre(1, 4, 5));
    EXPECT_THAT(records.errors, IsEmpty());
  }
  EXPECT_THAT(Read("", {}).texts, IsEmpty());
  EXPECT_THAT(Read(std::string_view("a\0b\n", 4), {}).texts, ElementsAre(std::string("a\0b", 3)));
}

TEST(TextRecordsTest, AHugeLineIsCutAndTheNextOneIsThere) {
  const std::string content = std::string(kMaxRecordBytes + 5, 'x') + "\r\nnext";
  const auto records = Read(content, {});
  ASSERT_THAT(records.texts, SizeIs(2));
  EXPECT_EQ(records.texts[0].size(), kMaxRecordBytes);
  EXPECT_EQ(records.texts[1], "next");
  const std::string exact = std::string(kMaxRecordBytes, 'x') + "\r\nnext";
  EXPECT_EQ(Read(exact, {}).texts[0].size(), kMaxRecordBytes);
}

TEST(TextRecordsTest, AWholeFileIsOneRecord) {
  const RecordOptions options = {.format = RecordFormat::kWholeFile};
  EXPECT_THAT(Read("one\r\n\ntwo\n", options).texts, ElementsAre("one\n\ntwo"));
  EXPECT_THAT(Read("", options).texts, IsEmpty());
  EXPECT_THAT(Read(" \n\n", options).texts, IsEmpty());
  const std::string huge = std::string(kMaxRecordBytes - 2, 'x') + "\nabcdef\nghi\n";
  EXPECT_EQ(Read(huge, options).texts.at(0).size(), kMaxRecordBytes);
}

TEST(TextRecordsTest, Utf16IsSaidToBeThat) {
  const auto records = Read(std::string_view("\xFF\xFE"
                                             "a\0\n\0",
                                             6),
                            {});
  EXPECT_THAT(records.texts, IsEmpty());
  EXPECT_THAT(records.errors, ElementsAre(HasSubstr("UTF-16")));
}

TEST(JsonLinesTest, TakesTheField) {
  const auto records = Read(
      "{\"text\":\"one\\n\\u0000\",\"id\":7}\n\n{\"x\":[1],\"id\":\"b\",\"text\":\"\"}\r\n"
      "{\"text\":\"bad \xFF\",\"id\":-1}",
      {.format = RecordFormat::kJsonLines, .id_field = "id"}, 5);
  EXPECT_THAT(records.texts, ElementsAre(std::string("one\n\0", 5), "", "bad \xEF\xBF\xBD"));
  EXPECT_THAT(records.ids, ElementsAre("7", "b", "-1"));
  EXPECT_THAT(records.lines, ElementsAre(1, 3, 4));
  EXPECT_THAT(records.errors, IsEmpty());
  EXPECT_THAT(
      Read("{\"body\":\"x\"}", {.format = RecordFormat::kJsonLines, .text_field = "body"}).texts,
      ElementsAre("x"));
}

TEST(JsonLinesTest, ABadLineIsSaidAndTheOthersAreThere) {
  const std::string deep(100000, '[');
  const auto records = Read("{\"text\":\"a\"}\n{broken\n[1]\n{\"title\":1}\n{\"text\":2}\n" + deep +
                                "\n{\"text\":\"a\",\"text\":\"b\"}\n{\"text\":\"z\"}\n",
                            {.format = RecordFormat::kJsonLines});
  EXPECT_THAT(records.texts, ElementsAre("a", "z"));
  ASSERT_THAT(records.errors, SizeIs(6));
  EXPECT_THAT(records.errors[0], HasSubstr("line 2: expected JSON"));
  EXPECT_THAT(records.errors[1], HasSubstr("line 3: expected a JSON object, found array"));
  EXPECT_THAT(records.errors[2],
              HasSubstr("line 4: expected the field \"text\", found \"title\"; --field"));
  EXPECT_THAT(records.errors[3], HasSubstr("line 5: expected a string in \"text\", found number"));
  EXPECT_THAT(records.errors[4], HasSubstr("line 6"));
  EXPECT_THAT(records.errors[5], HasSubstr("line 7: the key \"text\" appears twice"));
}

TEST(JsonLinesTest, AnIdHasToBeThereAndPlain) {
  const auto records =
      Read("{\"text\":\"a\"}\n{\"text\":\"b\",\"k\":[]}\n{\"text\":\"c\",\"k\":1.5}\n",
           {.format = RecordFormat::kJsonLines, .id_field = "k"});
  EXPECT_THAT(records.texts, IsEmpty());
  EXPECT_THAT(records.errors, ElementsAre(HasSubstr("--id-field"), HasSubstr("found array"),
                                          HasSubstr("found number")));
}

TEST(CsvTest, TakesTheColumn) {
  for (const size_t step : {1, 4, 1000}) {
    const auto records =
        Read("id,\"text\"\r\n1,plain\n\n2,\"a, \"\"b\"\"\r\nc\"\n3,,extra\n4,x\"y\n",
             {.format = RecordFormat::kCsv, .id_field = "id"}, step);
    EXPECT_THAT(records.texts, ElementsAre("plain", "a, \"b\"\nc", "", "x\"y"));
    EXPECT_THAT(records.ids, ElementsAre("1", "2", "3", "4"));
    EXPECT_THAT(records.lines, ElementsAre(2, 4, 6, 7));
    EXPECT_THAT(records.errors, IsEmpty());
  }
  EXPECT_THAT(Read("a\ttext\n1\tx,y\n", {.format = RecordFormat::kTsv}).texts, ElementsAre("x,y"));
}

TEST(CsvTest, BadRowsAndTables) {
  auto records = Read("a,text\nshort\n1,fine\n2,\"open\n3,x\n", {.format = RecordFormat::kCsv});
  EXPECT_THAT(records.texts, ElementsAre("fine"));
  EXPECT_THAT(records.errors, ElementsAre(HasSubstr("line 2: expected at least 2 fields, found 1"),
                                          HasSubstr("line 4: expected a quote")));
  records = Read("a,b\n1,2\n", {.format = RecordFormat::kCsv});
  EXPECT_THAT(records.texts, IsEmpty());
  EXPECT_THAT(records.errors,
              ElementsAre(HasSubstr("expected a column \"text\", found \"a\", \"b\"")));
  records = Read("text\nx\n", {.format = RecordFormat::kCsv, .id_field = "key"});
  EXPECT_THAT(records.errors, ElementsAre(HasSubstr("--id-field")));
  records = Read("text\n" + std::string(20000, ',') + "\nx\n", {.format = RecordFormat::kCsv});
  EXPECT_THAT(records.texts, ElementsAre("x"));
  EXPECT_THAT(records.errors, ElementsAre(HasSubstr("10000 fields")));
}

TEST(RecordFormatTest, ByExtension) {
  EXPECT_EQ(RecordFormatOf("a/b.JSONL"), RecordFormat::kJsonLines);
  EXPECT_EQ(RecordFormatOf("b.ndjson"), RecordFormat::kJsonLines);
  EXPECT_EQ(RecordFormatOf("b.csv"), RecordFormat::kCsv);
  EXPECT_EQ(RecordFormatOf("b.tsv"), RecordFormat::kTsv);
  EXPECT_EQ(RecordFormatOf("b.txt"), RecordFormat::kLines);
  EXPECT_EQ(RecordFormatOf("-"), RecordFormat::kLines);
}

TEST(OpenBytesTest, SaysWhyNot) {
  EXPECT_EQ(OpenBytes("no/such/file").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(OpenBytes("/").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tessera::cli
