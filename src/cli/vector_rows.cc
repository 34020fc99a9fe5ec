#include "cli/vector_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera::cli {
namespace {

constexpr std::string_view kNpyMagic("\x93NUMPY\x01\x00", 8);
constexpr size_t kHashDigits = 16;

template <typename T>
void AppendNumber(T value, std::string* out) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  out->append(text, result.ptr);
}

void AppendHash(uint64_t hash, std::string* out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) *out += kDigits[(hash >> shift) & 15];
}

void AppendJsonString(std::string_view text, std::string* out) {
  using nlohmann::json;
  *out += json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// No NUL comes into a table: in a file that a crash has left with holes it tells that a row is
// broken.
void AppendCsvString(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : ReplaceInvalidUtf8(text)) {
    if (c == '\0') {
      AppendUtf8(kReplacementCharacter, out);
    } else {
      *out += c;
      if (c == '"') *out += c;
    }
  }
  *out += '"';
}

// Reads "PREFIX0123456789abcdefSUFFIX".
bool ParseHash(std::string_view row, const std::string& prefix, char suffix, uint64_t* hash) {
  if (!row.starts_with(prefix) || row.size() <= prefix.size() + kHashDigits) return false;
  const char* digits = row.data() + prefix.size();
  const auto result = std::from_chars(digits, digits + kHashDigits, *hash, 16);
  return result.ptr == digits + kHashDigits && *result.ptr == suffix;
}

std::string JsonPrefix(uint64_t index) {
  return "{\"index\":" + std::to_string(index) + ",\"hash\":\"";
}

std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool HasNul(std::string_view row) { return row.find('\0') != std::string_view::npos; }

// Of a file without a whole row: whether it can be what is left of its first.
bool CanBegin(std::string_view content, std::string_view expected) {
  return content.substr(0, expected.size()) == expected.substr(0, content.size());
}

// Where the CSV record that begins at `begin` ends, behind its line end; npos: it does not.
size_t CsvRecordEnd(std::string_view content, size_t begin) {
  bool quoted = false;
  for (size_t at = begin; at < content.size(); ++at) {
    if (content[at] == '"') quoted = !quoted;
    if (content[at] == '\n' && !quoted) return at + 1;
  }
  return std::string_view::npos;
}

}  // namespace

void AppendJsonRow(const VectorRow& row, std::string* out) {
  const TextRecord& record = *row.record;
  *out += JsonPrefix(static_cast<uint64_t>(row.index));
  AppendHash(row.hash, out);
  *out += '"';
  if (record.id_is_number) {
    *out += ",\"id\":" + record.id;
  } else if (!record.id.empty()) {
    *out += ",\"id\":";
    AppendJsonString(record.id, out);
  }
  if (!row.source.empty()) {
    *out += ",\"source\":";
    AppendJsonString(row.source, out);
  }
  if (record.line > 0) *out += ",\"line\":" + std::to_string(record.line);
  *out += ",\"tokens\":" + std::to_string(row.num_tokens);
  if (row.truncated) *out += ",\"truncated\":true";
  if (row.with_text) {
    *out += ",\"text\":";
    AppendJsonString(record.text, out);
  }
  if (!row.vector.empty()) {
    *out += ",\"embedding\":";
    char separator = '[';
    for (const float x : row.vector) {
      *out += separator;
      separator = ',';
      if (std::isfinite(x)) {
        AppendNumber(x, out);
      } else {
        *out += "null";
      }
    }
    *out += ']';
  }
  *out += "}\n";
}

std::string CsvHeader(int64_t dimensions, bool with_text) {
  std::string header = "index,hash,id,source,line,tokens,truncated";
  if (with_text) header += ",text";
  for (int64_t i = 0; i < dimensions; ++i) header += "," + std::to_string(i);
  return header + "\n";
}

void AppendCsvRow(const VectorRow& row, std::string* out) {
  const TextRecord& record = *row.record;
  AppendNumber(row.index, out);
  *out += ',';
  AppendHash(row.hash, out);
  *out += ',';
  if (!record.id.empty()) AppendCsvString(record.id, out);
  *out += ',';
  if (!row.source.empty()) AppendCsvString(row.source, out);
  *out += ',';
  if (record.line > 0) AppendNumber(record.line, out);
  *out += ',';
  AppendNumber(row.num_tokens, out);
  *out += row.truncated ? ",true" : ",false";
  if (row.with_text) {
    *out += ',';
    AppendCsvString(record.text, out);
  }
  for (const float x : row.vector) {
    *out += ',';
    AppendNumber(x, out);
  }
  *out += '\n';
}

std::string NpyHeader(int64_t rows, int64_t dimensions) {
  std::string header(kNpyMagic);
  header += static_cast<char>(kNpyHeaderBytes - 10);
  header += '\0';
  header += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
            std::to_string(dimensions) + "), }";
  header.resize(kNpyHeaderBytes - 1, ' ');
  return header + "\n";
}

Result<FinishedRows> ReadJsonRows(Bytes content, uint64_t max_rows) {
  const std::string_view text = AsText(content);
  FinishedRows rows;
  while (rows.hashes.size() < max_rows) {
    const size_t newline = text.find('\n', rows.bytes);
    if (newline == std::string_view::npos) break;
    const std::string_view row = text.substr(rows.bytes, newline - rows.bytes);
    uint64_t hash = 0;
    if (!ParseHash(row, JsonPrefix(rows.hashes.size()), '"', &hash) || !row.ends_with('}') ||
        HasNul(row)) {
      break;
    }
    rows.hashes.push_back(hash);
    rows.bytes = newline + 1;
  }
  if (rows.bytes == 0 && !CanBegin(text, JsonPrefix(0)))
    return InvalidArgument("expected rows that tessera embed has written, found another content");
  return rows;
}

Result<FinishedRows> ReadCsvRows(Bytes content, const std::string& header) {
  const std::string_view text = AsText(content);
  FinishedRows rows;
  if (!CanBegin(text, header)) {
    return InvalidArgument(
        "expected the table that tessera embed writes with these options, found another first row");
  }
  if (text.size() < header.size()) return rows;
  rows.bytes = header.size();
  while (true) {
    const size_t end = CsvRecordEnd(text, rows.bytes);
    if (end == std::string_view::npos) return rows;
    const std::string_view row = text.substr(rows.bytes, end - rows.bytes);
    uint64_t hash = 0;
    if (!ParseHash(row, std::to_string(rows.hashes.size()) + ",", ',', &hash) || HasNul(row))
      return rows;
    rows.hashes.push_back(hash);
    rows.bytes = end;
  }
}

Result<uint64_t> CountNpyRows(Bytes content, int64_t dimensions) {
  const std::string_view text = AsText(content);
  // The count changes, what stands before and behind it does not.
  const std::string header = NpyHeader(0, dimensions);
  const std::string before = header.substr(0, header.find('(') + 1);
  const std::string behind = ", " + std::to_string(dimensions) + "), }";
  bool good = CanBegin(text, before);
  if (good && text.size() >= kNpyHeaderBytes) {
    const size_t at = text.find(behind, before.size());
    good = at != std::string_view::npos && at < kNpyHeaderBytes;
  }
  if (!good) {
    return InvalidArgument("expected a .npy file of float32 with " + std::to_string(dimensions) +
                           " columns that tessera embed has written, found another content");
  }
  if (text.size() < kNpyHeaderBytes) return uint64_t{0};
  return (text.size() - kNpyHeaderBytes) / (static_cast<uint64_t>(dimensions) * sizeof(float));
}

}  // namespace tessera::cli
