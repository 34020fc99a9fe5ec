#include "pipelines/search_index.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "formats/byte_reader.h"
#include "pipelines/search_index_layout.h"

namespace tessera {

namespace search_layout {

std::optional<Layout> LayoutOf(const Header& h) {
  // With these bounds no product or sum below leaves 64 bits.
  if (h.dimensions < 1 || h.dimensions > kernels::kMaxRowDimensions ||
      h.num_documents > kMaxDocuments || h.num_passages > kMaxPassages ||
      h.settings_bytes > kMaxSettingsBytes || h.string_bytes > kMaxStringBytes)
    return std::nullopt;
  const auto aligned = [](uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
  Layout layout;
  layout.settings = sizeof(Header);
  layout.documents = aligned(layout.settings + h.settings_bytes);
  layout.passages = aligned(layout.documents + h.num_documents * sizeof(Document));
  layout.strings = aligned(layout.passages + h.num_passages * sizeof(Passage));
  layout.lengths = aligned(layout.strings + h.string_bytes);
  layout.vectors = aligned(layout.lengths + h.num_passages * sizeof(float));
  layout.checksums =
      layout.vectors + h.num_passages * static_cast<uint64_t>(kernels::RowStride(h.dimensions));
  layout.num_blocks = (layout.checksums - layout.settings + kChecksumBlock - 1) / kChecksumBlock;
  layout.file_bytes = layout.checksums + (layout.num_blocks + 1) * sizeof(uint64_t);
  return layout;
}

}  // namespace search_layout

namespace {

using search_layout::Document;
using search_layout::Header;
using search_layout::Layout;
using search_layout::Passage;

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 48;

Status Damaged(const std::string& what) {
  return DataLoss("the index is damaged (" + what +
                  "); remove it and build it again, the texts themselves are not touched");
}

template <typename T>
T RecordAt(Bytes records, uint64_t i) {
  T record;
  std::memcpy(&record, records.data() + i * sizeof(T), sizeof(T));
  return record;
}

std::string_view TextOf(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Status CheckSums(Bytes file, const Layout& layout, ThreadPool& pool) {
  const Bytes payload = file.subspan(layout.settings, layout.checksums - layout.settings);
  const Bytes sums = file.subspan(layout.checksums, layout.num_blocks * sizeof(uint64_t));
  const uint64_t all = Checksum64(sums, Checksum64(file.first(sizeof(Header))));
  if (all != RecordAt<uint64_t>(file.subspan(layout.file_bytes - sizeof(uint64_t)), 0))
    return Damaged("its header or its table of checksums was changed");
  std::atomic<uint64_t> bad{layout.num_blocks};
  pool.ParallelFor(static_cast<int64_t>(layout.num_blocks), [&](int64_t i, int) {
    const auto block = static_cast<uint64_t>(i);
    const uint64_t first = block * search_layout::kChecksumBlock;
    const uint64_t count = std::min(search_layout::kChecksumBlock, payload.size() - first);
    if (Checksum64(payload.subspan(first, count), block + 1) != RecordAt<uint64_t>(sums, block))
      bad.store(block, std::memory_order_relaxed);
  });
  if (bad.load() == layout.num_blocks) return OkStatus();
  return Damaged("a checksum near byte " +
                 std::to_string(layout.settings + bad.load() * search_layout::kChecksumBlock) +
                 " is wrong");
}

// [offset, offset + count) lies in `size`.
bool Within(uint64_t offset, uint64_t count, uint64_t size) {
  return offset <= size && count <= size - offset;
}

Result<std::string> ReadString(ByteReader& reader, const char* what) {
  TESSERA_ASSIGN_OR_RETURN(const uint32_t size, reader.Read<uint32_t>(what));
  TESSERA_ASSIGN_OR_RETURN(const Bytes bytes, reader.Take(size, what));
  return std::string(TextOf(bytes));
}

Result<std::vector<std::string>> ReadStrings(ByteReader& reader, const char* what) {
  TESSERA_ASSIGN_OR_RETURN(const uint32_t count, reader.Read<uint32_t>(what));
  std::vector<std::string> list;  // grows by what is really there
  for (uint32_t i = 0; i < count; ++i) {
    TESSERA_ASSIGN_OR_RETURN(std::string text, ReadString(reader, what));
    list.push_back(std::move(text));
  }
  return list;
}

}  // namespace

std::string_view SkippedBecause(DocumentState state) {
  switch (state) {
    case DocumentState::kComplete:
    case DocumentState::kPartial:
      return "";
    case DocumentState::kEmpty:
      return "no text in it";
    case DocumentState::kBinary:
      return "not a text file";
    case DocumentState::kUtf16:
      return "UTF-16 text; save it as UTF-8";
    case DocumentState::kTooLarge:
      return "too large; split it into files of less than 64 MB";
  }
  return "";
}

Status CheckPattern(const std::string& pattern) {
  const auto stars = static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
  if (!pattern.empty() && pattern.size() <= kMaxPatternBytes && stars <= kMaxPatternStars)
    return OkStatus();
  return InvalidArgument("expected a pattern of at most " + std::to_string(kMaxPatternBytes) +
                         " bytes with at most " + std::to_string(kMaxPatternStars) +
                         " stars, found \"" + pattern + "\"");
}

uint64_t PassageHash(std::string_view text) { return Checksum64(AsBytes(text)); }

Result<std::shared_ptr<const SearchIndex>> SearchIndex::Open(const std::string& path,
                                                             ThreadPool& pool) {
  TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  std::shared_ptr<SearchIndex> index(new SearchIndex());
  index->bytes_ = file->bytes();
  index->file_ = std::move(file);
  if (Status status = index->Check(pool); !status.ok())
    return std::move(status).AddContext("\"" + path + "\"");
  return std::shared_ptr<const SearchIndex>(std::move(index));
}

Result<std::shared_ptr<const SearchIndex>> SearchIndex::Read(Bytes bytes, ThreadPool& pool) {
  std::shared_ptr<SearchIndex> index(new SearchIndex());
  index->bytes_ = bytes;
  TESSERA_RETURN_IF_ERROR(index->Check(pool));
  return std::shared_ptr<const SearchIndex>(std::move(index));
}

Status SearchIndex::Check(ThreadPool& pool) {
  if (bytes_.size() < sizeof(Header) ||
      std::memcmp(bytes_.data(), search_layout::kMagic, sizeof(search_layout::kMagic)) != 0) {
    return DataLoss(
        "expected an index of tessera search, found another kind of file; give the folder of the "
        "texts, or a new file name with --add FOLDER");
  }
  const auto header = RecordAt<Header>(bytes_, 0);
  if (header.version != search_layout::kVersion) {
    return Unimplemented("expected an index of version " + std::to_string(search_layout::kVersion) +
                         ", found " + std::to_string(header.version) +
                         "; remove it and build it again with this program");
  }
  const std::optional<Layout> layout = search_layout::LayoutOf(header);
  if (!layout) return Damaged("its counts make no sense");
  if (layout->file_bytes != bytes_.size()) {
    return Damaged("expected " + std::to_string(layout->file_bytes) + " bytes, found " +
                   std::to_string(bytes_.size()));
  }
  TESSERA_RETURN_IF_ERROR(CheckSums(bytes_, *layout, pool));

  num_documents_ = header.num_documents;
  num_passages_ = header.num_passages;
  documents_ = bytes_.subspan(layout->documents, num_documents_ * sizeof(Document));
  passages_ = bytes_.subspan(layout->passages, num_passages_ * sizeof(Passage));
  strings_ = bytes_.subspan(layout->strings, header.string_bytes);
  lengths_ = bytes_.subspan(layout->lengths, num_passages_ * sizeof(float));
  vectors_ = bytes_.subspan(layout->vectors, layout->checksums - layout->vectors);
  settings_.model.info.dimensions = header.dimensions;
  if (const Status status = ReadSettings(bytes_.subspan(layout->settings, header.settings_bytes));
      !status.ok())
    return Damaged(status.message());
  TESSERA_RETURN_IF_ERROR(CheckDocuments());
  return CheckPassages();
}

Status SearchIndex::ReadSettings(Bytes bytes) {
  ByteReader reader(bytes);
  EmbedderInfo& info = settings_.model.info;
  TESSERA_ASSIGN_OR_RETURN(settings_.model.name, ReadString(reader, "the model's name"));
  TESSERA_ASSIGN_OR_RETURN(const uint32_t pooling, reader.Read<uint32_t>("pooling"));
  TESSERA_ASSIGN_OR_RETURN(const uint32_t normalize, reader.Read<uint32_t>("normalisation"));
  TESSERA_ASSIGN_OR_RETURN(info.max_tokens, reader.Read<int64_t>("the longest text"));
  TESSERA_ASSIGN_OR_RETURN(info.query_prompt, ReadString(reader, "the query prompt"));
  TESSERA_ASSIGN_OR_RETURN(info.passage_prompt, ReadString(reader, "the passage prompt"));
  TESSERA_ASSIGN_OR_RETURN(settings_.chunks.max_size, reader.Read<int64_t>("a passage's size"));
  TESSERA_ASSIGN_OR_RETURN(settings_.chunks.overlap, reader.Read<int64_t>("the overlap"));
  TESSERA_ASSIGN_OR_RETURN(settings_.roots, ReadStrings(reader, "the folders"));
  TESSERA_ASSIGN_OR_RETURN(settings_.excluded, ReadStrings(reader, "the patterns"));
  for (const std::string& pattern : settings_.excluded)
    TESSERA_RETURN_IF_ERROR(CheckPattern(pattern));
  if (pooling > static_cast<uint32_t>(EmbedPooling::kLast) || normalize > 1)
    return DataLoss("unknown pooling or normalisation");
  info.pooling = static_cast<EmbedPooling>(pooling);
  info.normalize = normalize == 1;
  const ChunkOptions& chunks = settings_.chunks;
  if (chunks.max_size < 64 || chunks.max_size > kMaxChunkSize || chunks.overlap < 0 ||
      chunks.overlap > chunks.max_size / 4)
    return DataLoss("sizes of passages out of range");
  const auto count = static_cast<size_t>(kSearchProbes * info.dimensions);
  TESSERA_ASSIGN_OR_RETURN(const Bytes probes,
                           reader.Take(count * sizeof(float), "the model's vectors"));
  settings_.model.probes.resize(count);
  std::memcpy(settings_.model.probes.data(), probes.data(), probes.size());
  for (const float v : settings_.model.probes)
    if (!std::isfinite(v)) return DataLoss("the model's vectors are not finite");
  if (reader.remaining() != 0) return DataLoss("its settings are longer than they should be");
  return OkStatus();
}

Status SearchIndex::CheckDocuments() const {
  uint64_t next = 0;
  std::string_view before;
  for (uint64_t i = 0; i < num_documents_; ++i) {
    const auto d = RecordAt<Document>(documents_, i);
    if (!Within(d.path_offset, d.path_bytes, strings_.size()) || d.path_bytes == 0 ||
        d.state > static_cast<uint32_t>(DocumentState::kTooLarge) || d.first_passage != next ||
        !Within(next, d.num_passages, num_passages_))
      return Damaged("document " + std::to_string(i));
    const std::string_view path = document(i).path;
    if (path <= before || path.find('\0') != std::string_view::npos)
      return Damaged("the path of document " + std::to_string(i));
    before = path;
    next += d.num_passages;
  }
  if (next != num_passages_) return Damaged("passages that belong to no document");
  return OkStatus();
}

Status SearchIndex::CheckPassages() const {
  for (uint64_t i = 0; i < num_passages_; ++i) {
    const auto p = RecordAt<Passage>(passages_, i);
    const float length = RecordAt<float>(lengths_, i);
    if (!Within(p.headings_offset, p.headings_bytes, strings_.size()) || p.begin > kMaxTextBytes ||
        p.first_line < 1 || p.last_line < p.first_line || !(length >= 0 && length <= 1))
      return Damaged("passage " + std::to_string(i));
  }
  return OkStatus();
}

IndexedDocument SearchIndex::document(uint64_t i) const {
  TESSERA_CHECK(i < num_documents_);
  const auto d = RecordAt<Document>(documents_, i);
  const size_t sha = i * sizeof(Document) + offsetof(Document, sha256);
  return {.path = TextOf(strings_.subspan(d.path_offset, d.path_bytes)),
          .state = static_cast<DocumentState>(d.state),
          .stamp = {.size = d.size,
                    .inode = d.inode,
                    .modified_ns = d.modified_ns,
                    .changed_ns = d.changed_ns},
          .sha256 = TextOf(documents_.subspan(sha, sizeof(d.sha256))),
          .first_passage = d.first_passage,
          .num_passages = d.num_passages};
}

IndexedPassage SearchIndex::passage(uint64_t i) const {
  TESSERA_CHECK(i < num_passages_);
  const auto p = RecordAt<Passage>(passages_, i);
  return {.begin = p.begin,
          .length = p.length,
          .first_line = p.first_line,
          .last_line = p.last_line,
          .hash = p.hash,
          .headings = TextOf(strings_.subspan(p.headings_offset, p.headings_bytes))};
}

uint64_t SearchIndex::DocumentOf(uint64_t passage) const {
  TESSERA_CHECK(passage < num_passages_);
  // The last document that begins at or before it and has passages at all.
  uint64_t low = 0, high = num_documents_;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    if (RecordAt<Document>(documents_, middle).first_passage <= passage) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

kernels::RowsS8 SearchIndex::vectors() const {
  return {.levels = reinterpret_cast<const int8_t*>(vectors_.data()),
          .inverse_length = reinterpret_cast<const float*>(lengths_.data()),
          .num_rows = static_cast<int64_t>(num_passages_),
          .d = settings_.model.info.dimensions};
}

}  // namespace tessera
