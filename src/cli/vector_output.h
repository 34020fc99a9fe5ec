// Where `tessera embed` puts its rows: a file that grows and can be continued after an
// interruption, or stdout.
//
// A .npy file has the vectors alone; what belongs to them (source, line, hash) lies beside it in
// PATH.jsonl, a row for each. Its header counts the rows that are whole at any time.
#ifndef TESSERA_CLI_VECTOR_OUTPUT_H_
#define TESSERA_CLI_VECTOR_OUTPUT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_file.h"
#include "cli/vector_rows.h"
#include "tessera/status.h"

namespace tessera::cli {

enum class VectorFormat { kJsonLines, kCsv, kNpy };

// By the extension of an output file; nothing for another one.
std::optional<VectorFormat> VectorFormatOf(std::string_view path);

struct VectorOutputOptions {
  std::string path;  // "-": stdout, not for kNpy and not to be resumed
  VectorFormat format = VectorFormat::kJsonLines;
  int64_t dimensions = 0;
  bool with_text = false;
  bool resume = false;  // keep the rows that are there; else the file is begun anew
};

// Rows in the form of the file. Made where there is time for it; not thread-safe.
struct FormattedRows {
  int64_t count = 0;
  std::string lines;
  std::vector<float> vectors;  // of kNpy
};
void FormatRow(VectorFormat format, VectorRow row, FormattedRows* rows);

// Not thread-safe.
class VectorOutput {
 public:
  // Reads what is to be resumed; writes nothing yet. kInvalidArgument: that is no such file.
  static Result<VectorOutput> Open(const VectorOutputOptions& options);

  // The rows that are there, by hash.
  std::span<const uint64_t> finished() const { return finished_; }

  // Behind the rows that are there. After it has returned, a kill of the process loses nothing.
  Status Append(const FormattedRows& rows);
  // To the disk. Without rows too a file is there then.
  Status Finish();

 private:
  explicit VectorOutput(VectorOutputOptions options) : options_(std::move(options)) {}
  Status Resume();
  Status Begin();
  Status WriteLines(std::string_view text);

  VectorOutputOptions options_;
  std::vector<uint64_t> finished_;
  uint64_t keep_bytes_ = 0;  // of the rows, in the file with lines
  int64_t num_rows_ = 0;     // written so far
  bool begun_ = false;
  std::optional<AppendFile> lines_;    // JSON or CSV rows; nothing for stdout
  std::optional<AppendFile> vectors_;  // .npy
};

}  // namespace tessera::cli

#endif  // TESSERA_CLI_VECTOR_OUTPUT_H_
