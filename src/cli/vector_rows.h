// Embeddings as rows of a file, and rows read back from a file whose writing was interrupted.
//
// Every row has a number, from 0, and the hash of its text and of how it was embedded. So a file
// that ends anywhere, in the middle of a row too, can be continued: its whole rows are recognised,
// and each tells whether it belongs to the text that stands at its place now.
#ifndef TESSERA_CLI_VECTOR_ROWS_H_
#define TESSERA_CLI_VECTOR_ROWS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "cli/text_records.h"
#include "tessera/status.h"

namespace tessera::cli {

struct VectorRow {
  int64_t index = 0;
  uint64_t hash = 0;
  std::string_view source;             // the file; empty for a text of the command line
  const TextRecord* record = nullptr;  // not null
  bool with_text = false;
  int32_t num_tokens = 0;
  bool truncated = false;
  std::span<const float> vector;
};

// {"index":0,"hash":"0123456789abcdef","id":..,"source":..,"line":..,"tokens":..,"truncated":true,
// "text":..,"embedding":[..]} and a line end; id, source, line, truncated and text where there are
// any, the embedding unless the vector is empty. Numbers read back give the same floats.
void AppendJsonRow(const VectorRow& row, std::string* out);

// index,hash,id,source,line,tokens,truncated[,text],0,1,...: the same with a column for each
// component.
std::string CsvHeader(int64_t dimensions, bool with_text);
void AppendCsvRow(const VectorRow& row, std::string* out);

// The 128 bytes before the rows of a .npy file of float32.
inline constexpr size_t kNpyHeaderBytes = 128;
std::string NpyHeader(int64_t rows, int64_t dimensions);

struct FinishedRows {
  std::vector<uint64_t> hashes;  // of rows 0, 1, ...
  uint64_t bytes = 0;            // that they, and what stands before them, have
};

// The whole rows that `content` begins with, at most `max_rows`; what follows the last one is a
// torn row, or damage. kInvalidArgument: no such file, so nothing that may be cut.
Result<FinishedRows> ReadJsonRows(Bytes content, uint64_t max_rows = UINT64_MAX);
Result<FinishedRows> ReadCsvRows(Bytes content, const std::string& header);
// How many whole rows follow the header.
Result<uint64_t> CountNpyRows(Bytes content, int64_t dimensions);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_VECTOR_ROWS_H_
