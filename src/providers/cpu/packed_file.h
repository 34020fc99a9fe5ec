// The file of packed weights: what WeightCache (weight_cache.h) keeps on disk and maps.
//
//   header   "TSRPACK1", sizes, identity and source texts, the entries, checksums of the payload's
//   blocks, and a
//            checksum of the header itself
//   payload  from the next page on: the bytes of the entries, those of a page or more at the start
//   of a page, others
//            at a cache line; at least 64 bytes follow the last
//
// Numbers are little-endian. A file is written once, renamed into place and never changed. Reading
// trusts nothing: counts, names, offsets and overlaps are checked against the file's length before
// use, and no byte of the payload is handed out before its block's checksum agreed. A checksum
// finds damage, not malice: who can write to the folder can give a model other weights, but no file
// makes a reader leave its bytes.
#ifndef TESSERA_PROVIDERS_CPU_PACKED_FILE_H_
#define TESSERA_PROVIDERS_CPU_PACKED_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "kernels/linear.h"

namespace tessera::cpu {

enum class PackedKind : uint8_t {
  kFloats,  // n f32 values, k = 1
  kLinear,  // kernels::PackedLinear::bytes
};

struct PackedEntry {
  std::string name;  // unique in the file
  PackedKind kind = PackedKind::kFloats;
  kernels::Precision precision = kernels::Precision::kF32;
  int64_t n = 0, k = 0;
  uint64_t fingerprint = 0;  // of what it was made of
  Bytes bytes;
};

struct PackedFile {
  std::string identity, source;
  std::vector<PackedEntry> entries;
};

// Identity and source alone, with the header's checksum: what a listing needs. `bytes` may be any
// beginning of a file that holds the whole header.
Result<PackedFile> ReadPackedHeader(Bytes bytes);

// The entries too, as views of `bytes` (64-byte aligned), whose payload is verified by all threads
// of `pool`. kDataLoss says what is wrong.
Result<PackedFile> ReadPackedFile(Bytes bytes, ThreadPool& pool);

// Writes `file` to `path` whole or not at all; at most 65536 entries with names of 1 to 1024 bytes.
// It is not flushed to the disk: what a crash leaves is found by its checksums.
Status WritePackedFile(const std::string& path, const PackedFile& file, ThreadPool& pool);

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_PACKED_FILE_H_
