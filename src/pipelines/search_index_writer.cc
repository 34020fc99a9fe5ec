// Writing an index: one pass over the documents for each part, so that nothing but one document's
// records is held in memory.
#include <cstring>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/checksum.h"
#include "pipelines/search_index.h"
#include "pipelines/search_index_layout.h"

namespace tessera {
namespace {

using search_layout::Document;
using search_layout::Header;
using search_layout::Layout;
using search_layout::Passage;

void Put(std::string& out, const void* value, size_t size) {
  out.append(static_cast<const char*>(value), size);
}
template <typename T>
void Put(std::string& out, T value) {
  Put(out, &value, sizeof(value));
}
void PutString(std::string& out, std::string_view text) {
  Put(out, static_cast<uint32_t>(text.size()));
  out += text;
}
void PutStrings(std::string& out, const std::vector<std::string>& list) {
  Put(out, static_cast<uint32_t>(list.size()));
  for (const std::string& text : list) PutString(out, text);
}

std::string SettingsBytes(const SearchIndexSettings& settings) {
  const EmbedderInfo& info = settings.model.info;
  std::string out;
  PutString(out, settings.model.name);
  Put(out, static_cast<uint32_t>(info.pooling));
  Put(out, static_cast<uint32_t>(info.normalize));
  Put(out, info.max_tokens);
  PutString(out, info.query_prompt);
  PutString(out, info.passage_prompt);
  Put(out, settings.chunks.max_size);
  Put(out, settings.chunks.overlap);
  PutStrings(out, settings.roots);
  PutStrings(out, settings.excluded);
  Put(out, settings.model.probes.data(), settings.model.probes.size() * sizeof(float));
  return out;
}

// Appends to a file in large pieces and sums up each block as it goes by.
class SummedWriter {
 public:
  explicit SummedWriter(AtomicFileWriter file) : file_(std::move(file)) {}

  // The header is covered by the last checksum, not by a block.
  Status AppendHeader(const Header& header) {
    const Bytes bytes(reinterpret_cast<const uint8_t*>(&header), sizeof(header));
    header_sum_ = Checksum64(bytes);
    position_ = sizeof(header);
    return file_.Append(bytes);
  }
  Status Append(const void* data, size_t size) {
    const char* from = static_cast<const char*>(data);
    position_ += size;
    while (size > 0) {
      const size_t count = std::min<size_t>(size, search_layout::kChecksumBlock - block_.size());
      block_.append(from, count);
      from += count;
      size -= count;
      if (block_.size() == search_layout::kChecksumBlock) TESSERA_RETURN_IF_ERROR(FlushBlock());
    }
    return OkStatus();
  }
  Status PadTo(uint64_t offset) {
    TESSERA_CHECK(position_ <= offset && offset - position_ < search_layout::kAlignment);
    constexpr char kZeros[search_layout::kAlignment] = {};
    return Append(kZeros, static_cast<size_t>(offset - position_));
  }
  Status Commit() {
    if (!block_.empty()) TESSERA_RETURN_IF_ERROR(FlushBlock());
    const Bytes sums(reinterpret_cast<const uint8_t*>(sums_.data()),
                     sums_.size() * sizeof(uint64_t));
    TESSERA_RETURN_IF_ERROR(file_.Append(sums));
    const uint64_t all = Checksum64(sums, header_sum_);
    TESSERA_RETURN_IF_ERROR(file_.Append({reinterpret_cast<const uint8_t*>(&all), sizeof(all)}));
    return file_.Commit();
  }

 private:
  Status FlushBlock() {
    const Bytes bytes(reinterpret_cast<const uint8_t*>(block_.data()), block_.size());
    sums_.push_back(Checksum64(bytes, sums_.size() + 1));
    TESSERA_RETURN_IF_ERROR(file_.Append(bytes));
    block_.clear();
    return OkStatus();
  }

  AtomicFileWriter file_;
  std::string block_;
  std::vector<uint64_t> sums_;
  uint64_t header_sum_ = 0;
  uint64_t position_ = 0;
};

// A document's passages wherever they come from.
class Source {
 public:
  Source(const NewDocument& document, const SearchIndex* old) : document_(document), old_(old) {
    if (document.old_document < 0) return;
    TESSERA_CHECK(old != nullptr);
    kept_ = old->document(static_cast<uint64_t>(document.old_document));
    old_rows_ = old->vectors();
    stride_ = static_cast<uint64_t>(kernels::RowStride(old_rows_.d));
  }

  bool is_old() const { return document_.old_document >= 0; }
  DocumentState state() const { return is_old() ? kept_.state : document_.state; }
  std::string_view sha256() const {
    return is_old() ? kept_.sha256 : std::string_view(document_.sha256);
  }
  uint64_t size() const { return is_old() ? kept_.num_passages : document_.passages.size(); }
  IndexedPassage passage(uint64_t i) const {
    if (is_old()) return old_->passage(kept_.first_passage + i);
    IndexedPassage passage = document_.passages[i].passage;
    passage.headings = document_.passages[i].headings;
    return passage;
  }
  float inverse_length(uint64_t i) const {
    return is_old() ? old_rows_.inverse_length[kept_.first_passage + i]
                    : document_.passages[i].inverse_length;
  }
  const int8_t* vector(uint64_t i) const {
    return is_old() ? old_rows_.levels + (kept_.first_passage + i) * stride_
                    : document_.passages[i].vector;
  }

 private:
  const NewDocument& document_;
  const SearchIndex* const old_;
  IndexedDocument kept_;
  kernels::RowsS8 old_rows_;
  uint64_t stride_ = 0;
};

// Headings repeat from one passage to the next; they are stored once in a row.
bool SameHeadings(const Source& source, uint64_t i) {
  return i > 0 && source.passage(i).headings == source.passage(i - 1).headings;
}

}  // namespace

Status WriteSearchIndex(const std::string& path, const SearchIndexSettings& settings,
                        const std::vector<const NewDocument*>& documents, const SearchIndex* old) {
  const int64_t dimensions = settings.model.info.dimensions;
  TESSERA_CHECK(old == nullptr || old->vectors().d == dimensions);
  const std::string setting_bytes = SettingsBytes(settings);
  Header header = {};
  std::memcpy(header.magic, search_layout::kMagic, sizeof(header.magic));
  header.version = search_layout::kVersion;
  header.dimensions = static_cast<uint32_t>(dimensions);
  header.num_documents = documents.size();
  header.settings_bytes = setting_bytes.size();
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    header.num_passages += source.size();
    header.string_bytes += document->path.size();
    for (uint64_t i = 0; i < source.size(); ++i)
      if (!SameHeadings(source, i)) header.string_bytes += source.passage(i).headings.size();
  }
  const std::optional<Layout> layout = search_layout::LayoutOf(header);
  if (!layout) return ResourceExhausted("the index would be too large; make several smaller ones");

  TESSERA_ASSIGN_OR_RETURN(AtomicFileWriter file, AtomicFileWriter::Create(path));
  SummedWriter writer(std::move(file));
  TESSERA_RETURN_IF_ERROR(writer.AppendHeader(header));
  TESSERA_RETURN_IF_ERROR(writer.Append(setting_bytes.data(), setting_bytes.size()));
  TESSERA_RETURN_IF_ERROR(writer.PadTo(layout->documents));
  uint64_t string_at = 0, passage_at = 0;
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    Document record = {.path_offset = string_at,
                       .path_bytes = static_cast<uint32_t>(document->path.size()),
                       .state = static_cast<uint32_t>(source.state()),
                       .size = document->stamp.size,
                       .inode = document->stamp.inode,
                       .modified_ns = document->stamp.modified_ns,
                       .changed_ns = document->stamp.changed_ns,
                       .first_passage = passage_at,
                       .num_passages = source.size(),
                       .sha256 = {}};
    const std::string_view sha256 = source.sha256();
    std::memcpy(record.sha256, sha256.data(), std::min(sha256.size(), sizeof(record.sha256)));
    TESSERA_RETURN_IF_ERROR(writer.Append(&record, sizeof(record)));
    string_at += document->path.size();
    passage_at += source.size();
  }
  // Paths lie first in the strings, headings follow.
  TESSERA_RETURN_IF_ERROR(writer.PadTo(layout->passages));
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    uint64_t headings_at = 0;
    for (uint64_t i = 0; i < source.size(); ++i) {
      const IndexedPassage p = source.passage(i);
      if (!SameHeadings(source, i)) {
        headings_at = string_at;
        string_at += p.headings.size();
      }
      const Passage record = {.begin = p.begin,
                              .hash = p.hash,
                              .headings_offset = headings_at,
                              .headings_bytes = static_cast<uint32_t>(p.headings.size()),
                              .length = p.length,
                              .first_line = p.first_line,
                              .last_line = p.last_line};
      TESSERA_RETURN_IF_ERROR(writer.Append(&record, sizeof(record)));
    }
  }
  TESSERA_RETURN_IF_ERROR(writer.PadTo(layout->strings));
  for (const NewDocument* document : documents)
    TESSERA_RETURN_IF_ERROR(writer.Append(document->path.data(), document->path.size()));
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    for (uint64_t i = 0; i < source.size(); ++i) {
      if (SameHeadings(source, i)) continue;
      const std::string_view headings = source.passage(i).headings;
      TESSERA_RETURN_IF_ERROR(writer.Append(headings.data(), headings.size()));
    }
  }
  TESSERA_RETURN_IF_ERROR(writer.PadTo(layout->lengths));
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    for (uint64_t i = 0; i < source.size(); ++i) {
      const float length = source.inverse_length(i);
      TESSERA_RETURN_IF_ERROR(writer.Append(&length, sizeof(length)));
    }
  }
  TESSERA_RETURN_IF_ERROR(writer.PadTo(layout->vectors));
  for (const NewDocument* document : documents) {
    const Source source(*document, old);
    for (uint64_t i = 0; i < source.size(); ++i) {
      TESSERA_RETURN_IF_ERROR(
          writer.Append(source.vector(i), static_cast<size_t>(kernels::RowStride(dimensions))));
    }
  }
  return writer.Commit();
}

}  // namespace tessera
