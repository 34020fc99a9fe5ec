#include <algorithm>
#include <optional>
#include <vector>

#include "base/check.h"
#include "cli/record_readers.h"
#include "text/utf8.h"

namespace tessera::cli {
namespace {

// A row of this many fields is no table.
constexpr size_t kMaxColumns = 10000;

class Csv : public RecordReader {
 public:
  Csv(ReadBytes read, const RecordOptions& options, char separator)
      : lines_(std::move(read), kMaxRecordBytes), options_(options), separator_(separator) {}

  Result<bool> Next(TextRecord* record) override {
    *record = {};
    if (!text_column_) {
      if (broken_) return false;
      broken_ = true;  // a table without the column has no records
      TESSERA_ASSIGN_OR_RETURN(const bool any, ReadRow());
      if (!any) return false;
      TESSERA_RETURN_IF_ERROR(FindColumns());
    }
    TESSERA_ASSIGN_OR_RETURN(const bool more, ReadRow());
    if (!more) return false;
    record->line = first_line_;
    const size_t needed = std::max(*text_column_, id_column_.value_or(0)) + 1;
    if (fields_.size() < needed) {
      return DataLoss("line " + std::to_string(first_line_) + ": expected at least " +
                      std::to_string(needed) + " fields, found " + std::to_string(fields_.size()));
    }
    if (id_column_) record->id = fields_[*id_column_];
    record->text = std::move(fields_[*text_column_]);
    return true;
  }
  uint64_t bytes_read() const override { return lines_.bytes_read(); }

 private:
  Status FindColumns() {
    const auto find = [&](const std::string& name) -> std::optional<size_t> {
      const auto found = std::ranges::find(fields_, name);
      if (found == fields_.end()) return std::nullopt;
      return found - fields_.begin();
    };
    const auto missing = [&](const std::string& name, const char* flag) {
      constexpr size_t kShown = 8, kLongest = 40;
      std::string columns;
      for (size_t i = 0; i < std::min(fields_.size(), kShown); ++i)
        columns += (i == 0 ? "\"" : ", \"") + fields_[i].substr(0, kLongest) + "\"";
      if (fields_.size() > kShown) columns += ", ...";
      return DataLoss("line " + std::to_string(first_line_) + ": expected a column \"" + name +
                      "\", found " + columns + "; " + flag + " names another");
    };
    const std::optional<size_t> text = find(options_.text_field);
    if (!text) return missing(options_.text_field, "--field");
    if (!options_.id_field.empty()) {
      id_column_ = find(options_.id_field);
      if (!id_column_) return missing(options_.id_field, "--id-field");
    }
    text_column_ = text;
    return OkStatus();
  }

  // The next row that is not blank, into fields_; false at the end.
  Result<bool> ReadRow() {
    do {
      TESSERA_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line_));
      if (!more) return false;
    } while (StripWhiteSpace(line_).empty());
    first_line_ = lines_.line_number();
    fields_.assign(1, "");
    size_t bytes = 0;
    bool quoted = false;
    while (true) {
      bytes += line_.size() + 1;
      if (lines_.cut() || bytes > kMaxRecordBytes) {
        return ResourceExhausted("line " + std::to_string(first_line_) + ": expected at most " +
                                 std::to_string(kMaxRecordBytes) + " bytes in a row, found more" +
                                 (quoted ? "; is a quote missing?" : ""));
      }
      TESSERA_RETURN_IF_ERROR(SplitLine(&quoted));
      if (!quoted) return true;
      TESSERA_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line_));
      if (!more) {
        return DataLoss("line " + std::to_string(first_line_) +
                        ": expected a quote that ends the field, found the end of the file");
      }
      fields_.back() += '\n';
    }
  }

  // Appends the fields of line_; *quoted says whether it begins, and then ends, inside quotes.
  Status SplitLine(bool* quoted) {
    size_t at = 0;
    while (true) {
      if (*quoted) {
        const size_t quote = line_.find('"', at);
        fields_.back().append(line_, at, quote == std::string::npos ? quote : quote - at);
        if (quote == std::string::npos) return OkStatus();
        at = quote + 1;
        if (at < line_.size() && line_[at] == '"') {
          fields_.back() += '"';
          ++at;
        } else {
          *quoted = false;
        }
        continue;
      }
      if (at == line_.size()) return OkStatus();
      if (line_[at] == separator_) {
        if (fields_.size() == kMaxColumns) {
          return ResourceExhausted("line " + std::to_string(first_line_) + ": expected at most " +
                                   std::to_string(kMaxColumns) + " fields, found more");
        }
        fields_.emplace_back();
        ++at;
      } else if (line_[at] == '"' && fields_.back().empty()) {
        *quoted = true;
        ++at;
      } else {
        const size_t end = std::min(line_.find(separator_, at), line_.size());
        fields_.back().append(line_, at, end - at);
        at = end;
      }
    }
  }

  LineReader lines_;
  const RecordOptions options_;
  const char separator_;
  std::string line_;
  std::vector<std::string> fields_;  // of the last row
  int64_t first_line_ = 0;
  bool broken_ = false;
  std::optional<size_t> text_column_, id_column_;
};

}  // namespace

std::unique_ptr<RecordReader> NewCsvReader(ReadBytes read, const RecordOptions& options,
                                           char separator) {
  return std::make_unique<Csv>(std::move(read), options, separator);
}

}  // namespace tessera::cli
