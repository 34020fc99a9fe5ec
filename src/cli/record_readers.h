// The record readers that have a source file of their own; internal to text_records.
#ifndef TESSERA_CLI_RECORD_READERS_H_
#define TESSERA_CLI_RECORD_READERS_H_

#include <memory>

#include "cli/text_records.h"

namespace tessera::cli {

// Each line a JSON object whose text field is a string; its id field, where asked for, a string or
// an integer.
std::unique_ptr<RecordReader> NewJsonLinesReader(ReadBytes read, const RecordOptions& options);

// A first row of column names, then rows; fields may be quoted, a quote in them is doubled, and
// quoted fields may hold separators and line ends (RFC 4180).
std::unique_ptr<RecordReader> NewCsvReader(ReadBytes read, const RecordOptions& options,
                                           char separator);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_RECORD_READERS_H_
