#include "cli/vector_output.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/file.h"

namespace tessera::cli {
namespace {

static_assert(sizeof(float) == 4);

template <typename T>
Bytes AsBytes(const T& items) {
  return {reinterpret_cast<const uint8_t*>(items.data()),
          items.size() * sizeof(typename T::value_type)};
}

Status WriteStdout(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return OkStatus();
  return ResourceExhausted(std::string("could not write to stdout: ") + std::strerror(errno));
}

std::string LinesPath(const VectorOutputOptions& options) {
  return options.format == VectorFormat::kNpy ? options.path + ".jsonl" : options.path;
}

}  // namespace

std::optional<VectorFormat> VectorFormatOf(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension == "jsonl" || extension == "ndjson") return VectorFormat::kJsonLines;
  if (extension == "csv") return VectorFormat::kCsv;
  if (extension == "npy") return VectorFormat::kNpy;
  return std::nullopt;
}

void FormatRow(VectorFormat format, VectorRow row, FormattedRows* rows) {
  ++rows->count;
  switch (format) {
    case VectorFormat::kCsv:
      AppendCsvRow(row, &rows->lines);
      return;
    case VectorFormat::kNpy:
      rows->vectors.insert(rows->vectors.end(), row.vector.begin(), row.vector.end());
      row.vector = {};
      break;
    case VectorFormat::kJsonLines:
      break;
  }
  AppendJsonRow(row, &rows->lines);
}

Result<VectorOutput> VectorOutput::Open(const VectorOutputOptions& options) {
  VectorOutput output(options);
  if (options.resume) {
    Status status = output.Resume();
    if (!status.ok()) {
      return std::move(status).AddContext("cannot resume \"" + options.path + "\"");
    }
  }
  return output;
}

Status VectorOutput::Resume() {
  uint64_t max_rows = UINT64_MAX;
  if (options_.format == VectorFormat::kNpy) {
    if (!FileExists(options_.path)) return OkStatus();
    TESSERA_ASSIGN_OR_RETURN(const auto vectors, MappedFile::Open(options_.path));
    TESSERA_ASSIGN_OR_RETURN(max_rows, CountNpyRows(vectors->bytes(), options_.dimensions));
  }
  const std::string path = LinesPath(options_);
  if (!FileExists(path)) {
    if (options_.format != VectorFormat::kNpy || max_rows == 0) return OkStatus();
    return NotFound("\"" + path + "\", which tells whose vectors they are, is not there");
  }
  TESSERA_ASSIGN_OR_RETURN(const auto lines, MappedFile::Open(path));
  TESSERA_ASSIGN_OR_RETURN(
      FinishedRows rows,
      options_.format == VectorFormat::kCsv
          ? ReadCsvRows(lines->bytes(), CsvHeader(options_.dimensions, options_.with_text))
          : ReadJsonRows(lines->bytes(), max_rows));
  finished_ = std::move(rows.hashes);
  keep_bytes_ = rows.bytes;
  num_rows_ = static_cast<int64_t>(finished_.size());
  return OkStatus();
}

// Opens the files and cuts what is not to be kept.
Status VectorOutput::Begin() {
  if (begun_) return OkStatus();
  begun_ = true;
  if (options_.path != "-") {
    TESSERA_ASSIGN_OR_RETURN(lines_, AppendFile::Open(LinesPath(options_), keep_bytes_));
  }
  if (options_.format == VectorFormat::kCsv && keep_bytes_ == 0)
    TESSERA_RETURN_IF_ERROR(WriteLines(CsvHeader(options_.dimensions, options_.with_text)));
  if (options_.format != VectorFormat::kNpy) return OkStatus();
  if (num_rows_ == 0) {
    TESSERA_ASSIGN_OR_RETURN(vectors_, AppendFile::Open(options_.path, 0));
    return vectors_->Append(AsBytes(NpyHeader(0, options_.dimensions)));
  }
  const uint64_t row_bytes = static_cast<uint64_t>(options_.dimensions) * sizeof(float);
  TESSERA_ASSIGN_OR_RETURN(
      vectors_, AppendFile::Open(options_.path,
                                 kNpyHeaderBytes + static_cast<uint64_t>(num_rows_) * row_bytes));
  return vectors_->Overwrite(0, AsBytes(NpyHeader(num_rows_, options_.dimensions)));
}

Status VectorOutput::WriteLines(std::string_view text) {
  return lines_ ? lines_->Append(AsBytes(text)) : WriteStdout(text);
}

Status VectorOutput::Append(const FormattedRows& rows) {
  TESSERA_RETURN_IF_ERROR(Begin());
  num_rows_ += rows.count;
  // A row counts when its line is there, so the vectors go first.
  if (vectors_) TESSERA_RETURN_IF_ERROR(vectors_->Append(AsBytes(rows.vectors)));
  TESSERA_RETURN_IF_ERROR(WriteLines(rows.lines));
  if (!vectors_) return OkStatus();
  return vectors_->Overwrite(0, AsBytes(NpyHeader(num_rows_, options_.dimensions)));
}

Status VectorOutput::Finish() {
  TESSERA_RETURN_IF_ERROR(Begin());
  if (vectors_) TESSERA_RETURN_IF_ERROR(vectors_->Sync());
  return lines_ ? lines_->Sync() : OkStatus();
}

}  // namespace tessera::cli
