// Where each part of an index file lies; internal to search_index*.cc and its tests.
#ifndef TESSERA_PIPELINES_SEARCH_INDEX_LAYOUT_H_
#define TESSERA_PIPELINES_SEARCH_INDEX_LAYOUT_H_

#include <cstdint>
#include <optional>

namespace tessera::search_layout {

inline constexpr char kMagic[8] = {'T', 'S', 'R', 'I', 'N', 'D', 'E', 'X'};
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kAlignment = 64;
inline constexpr uint64_t kChecksumBlock = uint64_t{1} << 20;

inline constexpr uint64_t kMaxDocuments = uint64_t{1} << 32;
inline constexpr uint64_t kMaxPassages = uint64_t{1} << 34;
inline constexpr uint64_t kMaxSettingsBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMaxStringBytes = uint64_t{1} << 42;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t dimensions;
  uint64_t num_documents;
  uint64_t num_passages;
  uint64_t settings_bytes;
  uint64_t string_bytes;
  uint8_t zero[16];
};
static_assert(sizeof(Header) == 64);

struct Document {
  uint64_t path_offset;  // in strings
  uint32_t path_bytes;
  uint32_t state;
  uint64_t size;
  uint64_t inode;
  int64_t modified_ns;
  int64_t changed_ns;
  uint64_t first_passage;
  uint64_t num_passages;
  char sha256[64];
};
static_assert(sizeof(Document) == 128);

struct Passage {
  uint64_t begin;
  uint64_t hash;
  uint64_t headings_offset;  // in strings
  uint32_t headings_bytes;
  uint32_t length;
  uint32_t first_line;
  uint32_t last_line;
};
static_assert(sizeof(Passage) == 40);

// Offsets of the parts; each ends where its size says, padded with zeros up to the next.
struct Layout {
  uint64_t settings, documents, passages, strings, lengths, vectors, checksums, file_bytes;
  uint64_t num_blocks;  // of kChecksumBlock bytes in [settings, checksums)
};
// Nothing where the counts are beyond the limits above.
std::optional<Layout> LayoutOf(const Header& header);

}  // namespace tessera::search_layout

#endif  // TESSERA_PIPELINES_SEARCH_INDEX_LAYOUT_H_
