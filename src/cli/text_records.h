// The texts of a file, one after another: lines, the whole file, a field of JSON lines, a column of
// a CSV table.
//
// White lines are no records. Text need not be valid UTF-8 (models see U+FFFD for what is not) and
// may hold any character. Memory is bounded by kMaxRecordBytes whatever the file holds.
#ifndef TESSERA_CLI_TEXT_RECORDS_H_
#define TESSERA_CLI_TEXT_RECORDS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cli/line_reader.h"
#include "tessera/status.h"

namespace tessera::cli {

// A longer line of text or whole file is cut there: far behind what any model reads. A longer
// record of JSON or CSV is an error.
inline constexpr size_t kMaxRecordBytes = 16u << 20;

struct TextRecord {
  std::string text;
  int64_t line = 0;  // where it begins, from 1; 0: the whole file
  std::string id;    // as the id field has it; a number or a string
  bool id_is_number = false;
};

enum class RecordFormat { kLines, kWholeFile, kJsonLines, kCsv, kTsv };

struct RecordOptions {
  RecordFormat format = RecordFormat::kLines;
  // The key of a JSON object or the name of a column.
  std::string text_field = "text";
  std::string id_field;  // empty: none
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // Fills *record; false at the end. An error is about one record ("line 3: expected ..., found
  // ..."): the next call goes on behind it.
  virtual Result<bool> Next(TextRecord* record) = 0;
  virtual uint64_t bytes_read() const = 0;
};

std::unique_ptr<RecordReader> NewRecordReader(ReadBytes read, const RecordOptions& options);

// By the extension: JSON lines (jsonl, ndjson), csv, tsv (tab), else lines.
RecordFormat RecordFormatOf(std::string_view path);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_TEXT_RECORDS_H_
