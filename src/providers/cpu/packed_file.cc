#include "providers/cpu/packed_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>

#include "base/atomic_file.h"
#include "base/checksum.h"

namespace tessera::cpu {
namespace {

constexpr char kMagic[8] = {'T', 'S', 'R', 'P', 'A', 'C', 'K', '1'};
constexpr uint64_t kPage = 4096, kLine = 64, kTail = 64;
constexpr uint64_t kBlock = 1 << 20;  // of the payload, under one checksum
constexpr uint64_t kMaxFile = uint64_t{1} << 42;
constexpr uint32_t kMaxHeader = 64 << 20;
constexpr uint32_t kMaxText = 64 << 10, kMaxName = 1 << 10, kMaxEntries = 1 << 16;

// The file begins with this; texts, entries with their names, and block checksums follow.
struct Head {
  char magic[8];
  uint64_t checksum;  // of the header with 0 in this place
  uint64_t file_bytes;
  uint64_t payload_begin;
  uint32_t header_bytes;
  uint32_t identity_bytes, source_bytes;
  uint32_t num_entries;
};
struct EntryHead {
  uint64_t fingerprint, offset, bytes;
  int64_t n, k;
  uint32_t name_bytes;
  uint8_t kind, precision;
  uint16_t zero;
};
static_assert(sizeof(Head) == 48 && sizeof(EntryHead) == 48);

uint64_t AlignUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }
uint64_t NumBlocks(uint64_t payload_bytes) { return (payload_bytes + kBlock - 1) / kBlock; }

Status Broken(const std::string& what) { return DataLoss("packed weights: " + what); }

// Takes fields off the front of the header.
class HeaderReader {
 public:
  explicit HeaderReader(Bytes bytes) : bytes_(bytes) {}
  bool Read(void* to, size_t size) {
    if (size > bytes_.size()) return false;
    if (size > 0) std::memcpy(to, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return true;
  }
  bool Read(std::string& text, uint32_t size, uint32_t limit) {
    if (size > limit || size > bytes_.size()) return false;
    text.resize(size);
    return Read(text.data(), size);
  }
  Bytes rest() const { return bytes_; }

 private:
  Bytes bytes_;
};

uint64_t HeaderChecksum(Bytes header) {
  std::vector<uint8_t> copy(header.begin(), header.end());
  std::memset(copy.data() + offsetof(Head, checksum), 0, sizeof(Head::checksum));
  return Checksum64(copy);
}

// Blocks of equal content differ by their index, so that exchanged ones are found.
uint64_t BlockChecksum(Bytes payload, uint64_t block) {
  return Checksum64(
      payload.subspan(block * kBlock, std::min(kBlock, payload.size() - block * kBlock)),
      block + 1);
}

Result<Head> ReadHead(Bytes bytes) {
  Head head;
  if (bytes.size() < sizeof(Head)) return Broken("shorter than a header");
  std::memcpy(&head, bytes.data(), sizeof(Head));
  if (std::memcmp(head.magic, kMagic, sizeof(kMagic)) != 0) return Broken("of another format");
  if (head.header_bytes < sizeof(Head) ||
      head.header_bytes > std::min<uint64_t>(kMaxHeader, bytes.size()))
    return Broken("the header is cut off");
  if (HeaderChecksum(bytes.first(head.header_bytes)) != head.checksum)
    return Broken("the header is damaged");
  return head;
}

Status ReadTexts(const Head& head, HeaderReader& reader, PackedFile& file) {
  Head skipped;
  if (!reader.Read(&skipped, sizeof(Head)) ||
      !reader.Read(file.identity, head.identity_bytes, kMaxText) ||
      !reader.Read(file.source, head.source_bytes, kMaxText))
    return Broken("the header's texts are cut off");
  return OkStatus();
}

Status ReadEntry(HeaderReader& reader, Bytes file, uint64_t& end, PackedEntry& entry) {
  EntryHead head;
  if (!reader.Read(&head, sizeof(head)) || head.name_bytes == 0 ||
      !reader.Read(entry.name, head.name_bytes, kMaxName))
    return Broken("an entry is cut off");
  entry.fingerprint = head.fingerprint;
  entry.n = head.n;
  entry.k = head.k;
  // In order and apart from each other; `end` is at most the file's length less the tail.
  const uint64_t limit = file.size() - kTail;
  if (head.offset < end || head.offset % kLine != 0 || head.offset > limit ||
      head.bytes > limit - head.offset)
    return Broken(entry.name + " lies outside its place");
  end = head.offset + head.bytes;
  entry.bytes = file.subspan(head.offset, head.bytes);
  if (head.kind > static_cast<uint8_t>(PackedKind::kLinear) ||
      head.precision > static_cast<uint8_t>(kernels::Precision::kInt8) || head.zero != 0)
    return Broken(entry.name + " is of an unknown kind");
  entry.kind = static_cast<PackedKind>(head.kind);
  entry.precision = static_cast<kernels::Precision>(head.precision);
  bool fits = false;
  if (entry.kind == PackedKind::kFloats) {
    fits = entry.n >= 1 && entry.k == 1 && entry.precision == kernels::Precision::kF32 &&
           head.bytes % sizeof(float) == 0 &&
           static_cast<uint64_t>(entry.n) == head.bytes / sizeof(float);
  } else {
    const Result<size_t> expected = kernels::PackedLinearBytes(entry.precision, entry.n, entry.k);
    fits = expected.ok() && *expected == head.bytes;
  }
  return fits ? OkStatus() : Broken(entry.name + " does not have the size of its shape");
}

// Places the entries; returns where the payload ends.
uint64_t Place(const PackedFile& file, uint64_t begin, std::vector<EntryHead>& heads) {
  uint64_t at = begin;
  for (size_t i = 0; i < heads.size(); ++i) {
    const PackedEntry& entry = file.entries[i];
    at = AlignUp(at, entry.bytes.size() >= kPage ? kPage : kLine);
    heads[i] = {.fingerprint = entry.fingerprint,
                .offset = at,
                .bytes = entry.bytes.size(),
                .n = entry.n,
                .k = entry.k,
                .name_bytes = static_cast<uint32_t>(entry.name.size()),
                .kind = static_cast<uint8_t>(entry.kind),
                .precision = static_cast<uint8_t>(entry.precision),
                .zero = 0};
    at += entry.bytes.size();
  }
  return AlignUp(at + kTail, kPage);
}

void Put(std::vector<uint8_t>& out, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

}  // namespace

Result<PackedFile> ReadPackedHeader(Bytes bytes) {
  TESSERA_ASSIGN_OR_RETURN(const Head head, ReadHead(bytes));
  PackedFile file;
  HeaderReader reader(bytes.first(head.header_bytes));
  TESSERA_RETURN_IF_ERROR(ReadTexts(head, reader, file));
  return file;
}

Result<PackedFile> ReadPackedFile(Bytes bytes, ThreadPool& pool) {
  TESSERA_ASSIGN_OR_RETURN(const Head head, ReadHead(bytes));
  PackedFile file;
  HeaderReader reader(bytes.first(head.header_bytes));
  TESSERA_RETURN_IF_ERROR(ReadTexts(head, reader, file));
  if (head.file_bytes != bytes.size())
    return Broken("expected " + std::to_string(head.file_bytes) + " bytes, found " +
                  std::to_string(bytes.size()));
  if (head.num_entries > kMaxEntries || head.payload_begin < head.header_bytes ||
      head.payload_begin % kPage != 0 || head.payload_begin > bytes.size() ||
      bytes.size() - head.payload_begin < kTail)
    return Broken("the header contradicts itself");
  uint64_t end = head.payload_begin;
  std::set<std::string_view> names;
  file.entries.reserve(std::min<size_t>(head.num_entries, head.header_bytes / sizeof(EntryHead)));
  for (uint32_t i = 0; i < head.num_entries; ++i) {
    PackedEntry entry;
    TESSERA_RETURN_IF_ERROR(ReadEntry(reader, bytes, end, entry));
    file.entries.push_back(std::move(entry));
  }
  for (const PackedEntry& entry : file.entries)
    if (!names.insert(entry.name).second) return Broken(entry.name + " appears twice");

  const Bytes payload = bytes.subspan(head.payload_begin);
  const uint64_t num_blocks = NumBlocks(payload.size());
  if (reader.rest().size() != num_blocks * sizeof(uint64_t))
    return Broken("expected a checksum for each of " + std::to_string(num_blocks) + " blocks");
  std::atomic<bool> damaged = false;
  pool.ParallelFor(static_cast<int64_t>(num_blocks), [&](int64_t block, int) {
    uint64_t expected;
    std::memcpy(&expected, reader.rest().data() + block * sizeof(expected), sizeof(expected));
    if (BlockChecksum(payload, block) != expected) damaged.store(true, std::memory_order_relaxed);
  });
  if (damaged) return Broken("the weights are damaged");
  return file;
}

Status WritePackedFile(const std::string& path, const PackedFile& file, ThreadPool& pool) {
  std::vector<EntryHead> heads(file.entries.size());
  uint64_t table = sizeof(Head) + file.identity.size() + file.source.size();
  for (const PackedEntry& entry : file.entries) {
    if (entry.name.empty() || entry.name.size() > kMaxName)
      return InvalidArgument("packed weights: names have 1 to 1024 bytes");
    table += sizeof(EntryHead) + entry.name.size();
  }
  if (file.identity.size() > kMaxText || file.source.size() > kMaxText ||
      file.entries.size() > kMaxEntries)
    return InvalidArgument("packed weights: too many entries or too long a text");
  // The number of block checksums depends on the payload alone, not on where it begins.
  const uint64_t payload_bytes = Place(file, 0, heads);
  const uint64_t header_bytes = table + NumBlocks(payload_bytes) * sizeof(uint64_t);
  const uint64_t begin = AlignUp(header_bytes, kPage);
  if (header_bytes > kMaxHeader || payload_bytes > kMaxFile)
    return ResourceExhausted("packed weights: too large for one file");
  Place(file, begin, heads);

  // Blocks are put together one by one: an entry may begin in the middle of one.
  TESSERA_ASSIGN_OR_RETURN(AtomicFileWriter writer, AtomicFileWriter::Create(path));
  std::vector<uint64_t> sums(NumBlocks(payload_bytes));
  const auto fill = [&](uint64_t block, std::vector<uint8_t>& out) {
    const uint64_t first = block * kBlock, last = std::min(first + kBlock, payload_bytes);
    out.assign(last - first, 0);
    for (size_t i = 0; i < heads.size(); ++i) {
      const uint64_t at = heads[i].offset - begin, stop = at + heads[i].bytes;
      const uint64_t from = std::max(at, first), to = std::min(stop, last);
      if (from < to)
        std::memcpy(out.data() + (from - first), file.entries[i].bytes.data() + (from - at),
                    to - from);
    }
  };
  pool.ParallelFor(static_cast<int64_t>(sums.size()), [&](int64_t block, int) {
    std::vector<uint8_t> content;
    fill(block, content);
    sums[block] = Checksum64(content, block + 1);
  });

  Head head = {};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.file_bytes = begin + payload_bytes;
  head.payload_begin = begin;
  head.header_bytes = static_cast<uint32_t>(header_bytes);
  head.identity_bytes = static_cast<uint32_t>(file.identity.size());
  head.source_bytes = static_cast<uint32_t>(file.source.size());
  head.num_entries = static_cast<uint32_t>(heads.size());
  std::vector<uint8_t> header;
  header.reserve(begin);
  Put(header, &head, sizeof(head));
  Put(header, file.identity.data(), file.identity.size());
  Put(header, file.source.data(), file.source.size());
  for (size_t i = 0; i < heads.size(); ++i) {
    Put(header, &heads[i], sizeof(heads[i]));
    Put(header, file.entries[i].name.data(), file.entries[i].name.size());
  }
  Put(header, sums.data(), sums.size() * sizeof(uint64_t));
  head.checksum = HeaderChecksum(header);
  std::memcpy(header.data(), &head, sizeof(head));
  header.resize(begin);
  TESSERA_RETURN_IF_ERROR(writer.Append(header));
  std::vector<uint8_t> content;
  for (uint64_t block = 0; block < sums.size(); ++block) {
    fill(block, content);
    TESSERA_RETURN_IF_ERROR(writer.Append(content));
  }
  return writer.Commit(AtomicFileWriter::Durability::kNoFlush);
}

}  // namespace tessera::cpu
