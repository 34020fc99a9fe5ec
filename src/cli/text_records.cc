#include "cli/text_records.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "cli/record_readers.h"
#include "text/utf8.h"

namespace tessera::cli {
namespace {

// One record a line.
class TextLines : public RecordReader {
 public:
  explicit TextLines(ReadBytes read) : lines_(std::move(read), kMaxRecordBytes) {}

  Result<bool> Next(TextRecord* record) override {
    *record = {};
    do {
      TESSERA_ASSIGN_OR_RETURN(const bool more, lines_.Next(&record->text));
      if (!more) return false;
    } while (StripWhiteSpace(record->text).empty());
    record->line = lines_.line_number();
    return true;
  }
  uint64_t bytes_read() const override { return lines_.bytes_read(); }

 private:
  LineReader lines_;
};

// All lines as one record; an empty file has none.
class WholeFile : public RecordReader {
 public:
  explicit WholeFile(ReadBytes read) : lines_(std::move(read), kMaxRecordBytes) {}

  Result<bool> Next(TextRecord* record) override {
    *record = {};
    std::string line;
    while (record->text.size() < kMaxRecordBytes) {
      TESSERA_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line));
      if (!more) break;
      if (!record->text.empty()) record->text += '\n';
      record->text.append(line, 0, kMaxRecordBytes - record->text.size());
    }
    if (done_ || StripWhiteSpace(record->text).empty()) return false;
    done_ = true;
    return true;
  }
  uint64_t bytes_read() const override { return lines_.bytes_read(); }

 private:
  LineReader lines_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<RecordReader> NewRecordReader(ReadBytes read, const RecordOptions& options) {
  switch (options.format) {
    case RecordFormat::kWholeFile:
      return std::make_unique<WholeFile>(std::move(read));
    case RecordFormat::kJsonLines:
      return NewJsonLinesReader(std::move(read), options);
    case RecordFormat::kCsv:
      return NewCsvReader(std::move(read), options, ',');
    case RecordFormat::kTsv:
      return NewCsvReader(std::move(read), options, '\t');
    case RecordFormat::kLines:
      break;
  }
  return std::make_unique<TextLines>(std::move(read));
}

RecordFormat RecordFormatOf(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return RecordFormat::kLines;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension == "jsonl" || extension == "ndjson") return RecordFormat::kJsonLines;
  if (extension == "csv") return RecordFormat::kCsv;
  if (extension == "tsv") return RecordFormat::kTsv;
  return RecordFormat::kLines;
}

}  // namespace tessera::cli
