// The index of a search in one file: documents, passages, a vector for each passage.
//
// Little-endian, in this order; sizes follow from the header's counts, so a file of another size is
// broken. Blocks begin at multiples of 64 bytes.
//   header         64 bytes: magic, version, counts
//   settings       the model, how texts are cut, folders, patterns that are left out
//   documents      128 bytes each, by ascending path
//   passages       40 bytes each, those of one document together and in order
//   strings        paths and headings
//   lengths        f32 each: kernels::RowsS8::inverse_length
//   vectors        kernels::RowStride(dimensions) bytes each, int8
//   checksums      Checksum64 of each MB of all before but the header; then one of the header and
//                  of these, so that not one bit can change unseen
//
// int8 keeps 0.997 of the ten best neighbours that f32 finds at a quarter of the size, and its
// error is below that of an int8 model (docs/search.md). The text itself is not stored: it stays in
// its files only, where it can be edited and deleted, and the index has half the size. A checksum
// of each passage tells whether the file still says what was indexed.
#ifndef TESSERA_PIPELINES_SEARCH_INDEX_H_
#define TESSERA_PIPELINES_SEARCH_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/thread_pool.h"
#include "kernels/dot_top_k.h"
#include "pipelines/search_model.h"
#include "pipelines/text_chunks.h"
#include "tessera/status.h"

namespace tessera {

struct SearchIndexSettings {
  SearchModel model;
  ChunkOptions chunks;
  std::vector<std::string> roots;     // files and folders that are indexed, absolute paths
  std::vector<std::string> excluded;  // glob patterns of what is left out below them
};

// A pattern that leaves files out: bounds that keep matching fast.
inline constexpr size_t kMaxPatternBytes = 256;
inline constexpr size_t kMaxPatternStars = 6;
Status CheckPattern(const std::string& pattern);

enum class DocumentState : uint32_t {
  kComplete = 0,
  kPartial = 1,  // the update was interrupted; its first passages are there
  // Looked at, without passages:
  kEmpty = 2,
  kBinary = 3,
  kUtf16 = 4,
  kTooLarge = 5,
};
// "binary", for people; "" for the first two.
std::string_view SkippedBecause(DocumentState state);

struct IndexedDocument {
  std::string_view path;  // absolute
  DocumentState state = DocumentState::kComplete;
  FileStamp stamp;
  std::string_view sha256;  // 64 hexadecimal digits; of the file's bytes
  uint64_t first_passage = 0, num_passages = 0;
};

struct IndexedPassage {
  uint64_t begin = 0;  // bytes of the file
  uint32_t length = 0;
  uint32_t first_line = 1, last_line = 1;
  uint64_t hash = 0;  // PassageHash
  std::string_view headings;
};

// Of what was embedded (PassageText): equal passages have equal vectors.
uint64_t PassageHash(std::string_view passage_text);

// An open index: immutable, thread-safe. Views in it live as long as it does.
class SearchIndex {
 public:
  // Maps and checks all of the file, each byte once. kNotFound; kDataLoss for a damaged file and
  // kUnimplemented for one of another version: both say what to do.
  static Result<std::shared_ptr<const SearchIndex>> Open(const std::string& path, ThreadPool& pool);
  // The same for bytes in memory, aligned to 64, which the index does not copy.
  static Result<std::shared_ptr<const SearchIndex>> Read(Bytes bytes, ThreadPool& pool);

  const SearchIndexSettings& settings() const { return settings_; }
  uint64_t num_documents() const { return num_documents_; }
  uint64_t num_passages() const { return num_passages_; }
  uint64_t num_bytes() const { return bytes_.size(); }
  IndexedDocument document(uint64_t i) const;
  IndexedPassage passage(uint64_t i) const;
  uint64_t DocumentOf(uint64_t passage) const;
  // Row i is the vector of passage i.
  kernels::RowsS8 vectors() const;

 private:
  SearchIndex() = default;
  Status Check(ThreadPool& pool);
  Status ReadSettings(Bytes bytes);
  Status CheckDocuments() const;
  Status CheckPassages() const;

  std::shared_ptr<const MappedFile> file_;
  Bytes bytes_;
  SearchIndexSettings settings_;
  uint64_t num_documents_ = 0, num_passages_ = 0;
  Bytes documents_, passages_, strings_, lengths_, vectors_;
};

// What is to be written. A document's passages are either those of a document of `old`, or new.
struct NewPassage {
  IndexedPassage passage;  // headings is not used
  std::string headings;
  const int8_t* vector = nullptr;  // [RowStride(dimensions)], borrowed
  float inverse_length = 0;
};
struct NewDocument {
  std::string path;
  FileStamp stamp;
  DocumentState state = DocumentState::kComplete;
  std::string sha256;         // 64 digits, or empty
  int64_t old_document = -1;  // its passages, state and sha256 are taken
  std::vector<NewPassage> passages;
};

// Writes the file whole or not at all; `documents` by strictly ascending path, `old` may be null
// when none refers to it. kResourceExhausted: disk full, or counts beyond the format.
Status WriteSearchIndex(const std::string& path, const SearchIndexSettings& settings,
                        const std::vector<const NewDocument*>& documents, const SearchIndex* old);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_INDEX_H_
