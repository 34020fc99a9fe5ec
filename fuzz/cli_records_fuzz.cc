// Text files, JSON lines and tables as `tessera embed` reads them, and its own rows read back. The
// first byte chooses the format and how many bytes each read gives.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cli/text_records.h"
#include "cli/vector_rows.h"

namespace {

using namespace tessera;       // NOLINT: a small program
using namespace tessera::cli;  // NOLINT

void ReadRecords(std::string_view content, RecordFormat format, size_t step) {
  ReadBytes all = BytesOf(content);
  const auto reader = NewRecordReader(
      [&](std::span<char> out) { return all(out.first(std::min(out.size(), step))); },
      {.format = format, .text_field = "t", .id_field = content.size() % 2 == 0 ? "i" : ""});
  TextRecord record;
  int64_t line = 0;
  // No more records and errors than lines.
  for (size_t calls = 0;; ++calls) {
    TESSERA_CHECK(calls <= content.size() + 2);
    const Result<bool> more = reader->Next(&record);
    if (!more.ok()) continue;
    if (!*more) break;
    TESSERA_CHECK(record.text.size() <= kMaxRecordBytes);
    TESSERA_CHECK(format == RecordFormat::kWholeFile || record.line > line);
    line = record.line;
  }
  TESSERA_CHECK(reader->bytes_read() <= content.size());
}

void ReadRows(std::string_view content) {
  const Bytes bytes(reinterpret_cast<const uint8_t*>(content.data()), content.size());
  const auto check = [&](const Result<FinishedRows>& rows) {
    if (rows.ok()) TESSERA_CHECK(rows->bytes <= bytes.size());
  };
  check(ReadJsonRows(bytes));
  check(ReadCsvRows(bytes, CsvHeader(2, false)));
  const Result<uint64_t> rows = CountNpyRows(bytes, 2);
  if (rows.ok()) TESSERA_CHECK(*rows * 8 <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = 1 + data[0] / 8;
  switch (data[0] % 8) {
    case 0:
      ReadRecords(content, RecordFormat::kLines, step);
      break;
    case 1:
      ReadRecords(content, RecordFormat::kWholeFile, step);
      break;
    case 2:
    case 3:
      ReadRecords(content, RecordFormat::kJsonLines, step);
      break;
    case 4:
    case 5:
      ReadRecords(content, RecordFormat::kCsv, step);
      break;
    case 6:
      ReadRecords(content, RecordFormat::kTsv, step);
      break;
    default:
      ReadRows(content);
  }
  return 0;
}
