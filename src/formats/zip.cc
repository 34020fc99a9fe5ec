#include "formats/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#if defined(TESSERA_HAVE_ZLIB)
#include <zlib.h>
#endif

#include "base/check.h"
#include "formats/byte_reader.h"

namespace tessera {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kDirectoryMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr size_t kEndSize = 22;
constexpr size_t kMaxComment = 0xFFFF;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint16_t kEncryptedFlag = 1;
constexpr size_t kChunk = 256 << 10;

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}();

uint32_t UpdateCrc(uint32_t crc, Bytes bytes) {
  for (const uint8_t byte : bytes) crc = kCrcTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return crc;
}

struct Directory {
  uint64_t offset;
  uint64_t size;
  uint32_t num_members;
};

// The end record lies before a comment of unknown length; the last place that fits is the right
// one.
Result<Directory> FindDirectory(Bytes bytes) {
  const size_t last = bytes.size() < kEndSize ? 0 : bytes.size() - kEndSize;
  const size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (size_t at = last + 1; at-- > first && bytes.size() >= kEndSize;) {
    ByteReader reader(bytes.subspan(at));
    TESSERA_ASSIGN_OR_RETURN(const auto magic, reader.Read<uint32_t>("end record"));
    if (magic != kEndMagic) continue;
    std::array<uint16_t, 4> counts;  // this disk, disk of the directory, members here, members
    TESSERA_ASSIGN_OR_RETURN(counts, (reader.Read<std::array<uint16_t, 4>>("end record")));
    TESSERA_ASSIGN_OR_RETURN(const auto size, reader.Read<uint32_t>("directory size"));
    TESSERA_ASSIGN_OR_RETURN(const auto offset, reader.Read<uint32_t>("directory offset"));
    TESSERA_ASSIGN_OR_RETURN(const auto comment, reader.Read<uint16_t>("comment length"));
    if (comment != reader.remaining()) continue;
    if (counts[3] == 0xFFFF || size == 0xFFFFFFFF || offset == 0xFFFFFFFF) {
      return Unimplemented("expected a plain ZIP archive, found the zip64 form");
    }
    if (counts[0] != 0 || counts[1] != 0 || counts[2] != counts[3]) {
      return Unimplemented("expected a ZIP archive in one piece, found one of several disks");
    }
    if (uint64_t{offset} + size > at) {
      return DataLoss("expected the ZIP directory of " + std::to_string(size) +
                      " bytes at offset " + std::to_string(offset) +
                      ", found it to reach beyond its end record");
    }
    return Directory{offset, size, counts[3]};
  }
  return DataLoss(
      "expected a ZIP archive, found no end record; the file is truncated or of another kind");
}

bool IsSafeName(std::string_view name) {
  if (name.empty() || name.front() == '/' ||
      name.find_first_of(std::string_view("\\\0:", 3)) != name.npos) {
    return false;
  }
  for (size_t at = 0; at <= name.size();) {
    const size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, slash - at);
    if (part == "." || part == ".." || (part.empty() && slash != name.size())) return false;
    at = slash + 1;
  }
  return true;
}

// Where the compressed bytes start: after the local header, whose name must be the directory's.
Result<uint64_t> FindContent(Bytes bytes, uint64_t header_offset, const ZipMember& member) {
  if (header_offset > bytes.size())
    return DataLoss("its local header lies beyond the end of the file");
  ByteReader reader(bytes.subspan(static_cast<size_t>(header_offset)));
  TESSERA_ASSIGN_OR_RETURN(const auto magic, reader.Read<uint32_t>("local header"));
  if (magic != kLocalMagic) return DataLoss("expected a local header, found something else");
  TESSERA_RETURN_IF_ERROR(reader.Take(22, "local header").status());
  TESSERA_ASSIGN_OR_RETURN(const auto name_length, reader.Read<uint16_t>("name length"));
  TESSERA_ASSIGN_OR_RETURN(const auto extra_length, reader.Read<uint16_t>("extra length"));
  TESSERA_ASSIGN_OR_RETURN(const Bytes name, reader.Take(name_length, "name"));
  if (!std::equal(name.begin(), name.end(), member.name.begin(), member.name.end(),
                  [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); })) {
    return DataLoss("expected the same name in the local header, found another");
  }
  TESSERA_RETURN_IF_ERROR(reader.Take(extra_length, "extra field").status());
  const uint64_t offset = header_offset + reader.position();
  TESSERA_RETURN_IF_ERROR(reader.Take(member.compressed_size, "member").status());
  return offset;
}

Result<ZipMember> ReadMember(ByteReader& directory, Bytes bytes) {
  TESSERA_ASSIGN_OR_RETURN(const auto magic, directory.Read<uint32_t>("directory entry"));
  if (magic != kDirectoryMagic)
    return DataLoss("expected an entry of the ZIP directory, found something else");
  ZipMember member;
  std::array<uint16_t, 3> versions;  // made by, needed, flags
  TESSERA_ASSIGN_OR_RETURN(versions, (directory.Read<std::array<uint16_t, 3>>("flags")));
  TESSERA_ASSIGN_OR_RETURN(member.method, directory.Read<uint16_t>("method"));
  TESSERA_RETURN_IF_ERROR(directory.Take(4, "time").status());
  TESSERA_ASSIGN_OR_RETURN(member.crc32, directory.Read<uint32_t>("checksum"));
  TESSERA_ASSIGN_OR_RETURN(member.compressed_size, directory.Read<uint32_t>("compressed size"));
  TESSERA_ASSIGN_OR_RETURN(member.size, directory.Read<uint32_t>("size"));
  std::array<uint16_t, 3> lengths;  // name, extra, comment
  TESSERA_ASSIGN_OR_RETURN(lengths, (directory.Read<std::array<uint16_t, 3>>("lengths")));
  TESSERA_RETURN_IF_ERROR(directory.Take(8, "attributes").status());
  TESSERA_ASSIGN_OR_RETURN(const auto header_offset, directory.Read<uint32_t>("header offset"));
  TESSERA_ASSIGN_OR_RETURN(const Bytes name, directory.Take(lengths[0], "name"));
  TESSERA_RETURN_IF_ERROR(
      directory.Take(uint64_t{lengths[1]} + lengths[2], "extra field").status());

  member.name.assign(name.begin(), name.end());
  if (!IsSafeName(member.name)) return DataLoss("the archive holds an unsafe or empty file name");
  const auto fail = [&member](Status status) {
    return std::move(status).AddContext("member \"" + member.name + "\"");
  };
  if (member.size == 0xFFFFFFFF || member.compressed_size == 0xFFFFFFFF ||
      header_offset == 0xFFFFFFFF) {
    return fail(Unimplemented("expected a plain ZIP member, found the zip64 form"));
  }
  if ((versions[2] & kEncryptedFlag) != 0) {
    return fail(Unimplemented("expected a plain ZIP member, found an encrypted one"));
  }
  if (member.method != kStored && member.method != kDeflated) {
    return fail(Unimplemented("expected a stored or deflated member, found compression method " +
                              std::to_string(member.method)));
  }
  if (member.method == kStored && member.size != member.compressed_size) {
    return fail(DataLoss("a stored member has two different sizes"));
  }
  auto offset = FindContent(bytes, header_offset, member);
  if (!offset.ok()) return fail(std::move(offset).status());
  member.offset = *offset;
  return member;
}

// Overlapping members are how a small archive unpacks to a huge one.
Status CheckNoOverlap(const std::vector<ZipMember>& members, uint64_t directory_offset) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  ranges.reserve(members.size());
  for (const ZipMember& member : members)
    ranges.emplace_back(member.offset, member.compressed_size);
  std::sort(ranges.begin(), ranges.end());
  uint64_t end = 0;
  for (const auto& [offset, size] : ranges) {
    if (offset < end || offset + size > directory_offset) {
      return DataLoss("expected members that lie one after the other, found overlapping ones");
    }
    end = offset + size;
  }
  return OkStatus();
}

#if defined(TESSERA_HAVE_ZLIB)
Status Inflate(Bytes input, uint64_t size, const std::function<Status(Bytes)>& sink) {
  z_stream stream = {};
  constexpr int kRawDeflate = -MAX_WBITS;
  if (inflateInit2(&stream, kRawDeflate) != Z_OK)
    return ResourceExhausted("not enough memory to inflate");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } end{&stream};
  std::vector<uint8_t> output(kChunk);
  uint64_t produced = 0;
  // Sizes are below 4 GiB, as zip64 is refused, so avail_in holds all of the input.
  stream.next_in = const_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  for (;;) {
    stream.next_out = output.data();
    stream.avail_out = static_cast<uInt>(output.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) {
      return DataLoss("expected deflated data, found an error after " + std::to_string(produced) +
                      " bytes");
    }
    const size_t got = output.size() - stream.avail_out;
    produced += got;
    if (produced > size)
      return DataLoss("the content is longer than its declared " + std::to_string(size) + " bytes");
    TESSERA_RETURN_IF_ERROR(sink(Bytes(output).first(got)));
    if (code == Z_STREAM_END) break;
    if (got == 0 && stream.avail_in == 0) return DataLoss("the deflated data end too early");
  }
  if (produced != size || stream.avail_in != 0) {
    return DataLoss("expected " + std::to_string(size) + " bytes of content, found " +
                    std::to_string(produced));
  }
  return OkStatus();
}
#else
Status Inflate(Bytes, uint64_t, const std::function<Status(Bytes)>&) {
  return Unimplemented("this build has no zlib; unpack the archive yourself, or build with zlib");
}
#endif

}  // namespace

Result<ZipArchive> ZipArchive::Read(Bytes bytes, std::shared_ptr<const void> owner) {
  TESSERA_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(bytes));
  ZipArchive archive;
  archive.bytes_ = bytes;
  archive.owner_ = std::move(owner);
  ByteReader reader(
      bytes.subspan(static_cast<size_t>(directory.offset), static_cast<size_t>(directory.size)));
  std::set<std::string_view> names;
  archive.members_.reserve(directory.num_members);  // at most 65534
  for (uint32_t i = 0; i < directory.num_members; ++i) {
    TESSERA_ASSIGN_OR_RETURN(ZipMember member, ReadMember(reader, bytes));
    archive.members_.push_back(std::move(member));
    if (!names.insert(archive.members_.back().name).second) {
      return DataLoss("member \"" + archive.members_.back().name + "\" appears twice");
    }
  }
  if (reader.remaining() != 0)
    return DataLoss("expected the end of the ZIP directory, found more bytes");
  TESSERA_RETURN_IF_ERROR(CheckNoOverlap(archive.members_, directory.offset));
  return archive;
}

Result<ZipArchive> ZipArchive::Open(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  const Bytes bytes = file->bytes();
  auto archive = Read(bytes, std::move(file));
  if (!archive.ok()) return std::move(archive).status().AddContext("\"" + path + "\"");
  return archive;
}

const ZipMember* ZipArchive::Find(std::string_view name) const {
  const auto it = std::find_if(members_.begin(), members_.end(),
                               [name](const ZipMember& member) { return member.name == name; });
  return it == members_.end() ? nullptr : &*it;
}

Status ZipArchive::Extract(const ZipMember& member,
                           const std::function<Status(Bytes)>& sink) const {
  const Bytes input = bytes_.subspan(static_cast<size_t>(member.offset),
                                     static_cast<size_t>(member.compressed_size));
  uint32_t crc = ~uint32_t{0};
  const auto checked_sink = [&crc, &sink](Bytes piece) {
    crc = UpdateCrc(crc, piece);
    return sink(piece);
  };
  Status status;
  if (member.method == kDeflated) {
    status = Inflate(input, member.size, checked_sink);
  } else {
    for (size_t at = 0; at < input.size() && status.ok(); at += kChunk) {
      status = checked_sink(input.subspan(at, std::min(kChunk, input.size() - at)));
    }
  }
  if (status.ok() && ~crc != member.crc32)
    status = DataLoss("its checksum is wrong; fetch the archive again");
  return std::move(status).AddContext("member \"" + member.name + "\"");
}

}  // namespace tessera
