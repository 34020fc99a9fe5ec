#include "text/precompiled_charsmap.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace tessera {
namespace {

// A unit of a Darts-clone double array.
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
uint32_t Label(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
bool HasLeaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFF; }

// The library looks a whole cluster up only below this length.
constexpr size_t kMaxWholeClusterBytes = 5;

uint32_t ReadU32(const char* bytes) {
  const auto* b = reinterpret_cast<const unsigned char*>(bytes);
  return uint32_t{b[0]} | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> PrecompiledCharsmap::Create(std::string_view charsmap) {
  const uint32_t array_bytes = charsmap.size() < 4 ? 0 : ReadU32(charsmap.data());
  if (array_bytes < 4 || array_bytes % 4 != 0 || array_bytes > charsmap.size() - 4) {
    return DataLoss("precompiled_charsmap of " + std::to_string(charsmap.size()) +
                    " bytes claims an array of " + std::to_string(array_bytes));
  }
  std::unique_ptr<PrecompiledCharsmap> map(new PrecompiledCharsmap());
  map->units_.resize(array_bytes / 4);
  for (size_t i = 0; i < map->units_.size(); ++i)
    map->units_[i] = ReadU32(charsmap.data() + 4 + 4 * i);
  map->texts_ = charsmap.substr(4 + size_t{array_bytes});
  if (!IsValidUtf8(map->texts_))
    return DataLoss("the texts of precompiled_charsmap are not valid UTF-8");
  size_t length = 0;
  for (const char c : map->texts_) {
    length = c == '\0' ? 0 : length + 1;
    map->longest_text_ = std::max(map->longest_text_, length);
  }
  for (size_t c = 0; c < map->ascii_.size(); ++c) {
    const std::string character(1, static_cast<char>(c));
    map->AppendMapped(character, &map->ascii_[c]);
  }
  return std::unique_ptr<const Normalizer>(std::move(map));
}

std::optional<std::string_view> PrecompiledCharsmap::Find(std::string_view key) const {
  size_t node = Offset(units_[0]);
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= units_.size() || Label(units_[node]) != byte) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= units_.size()) return std::nullopt;
    const size_t begin = Value(units_[node]);
    const bool is_inside_character =
        begin < texts_.size() && (static_cast<unsigned char>(texts_[begin]) & 0xC0) == 0x80;
    if (begin > texts_.size() || is_inside_character) return std::nullopt;
    const size_t end = std::min(texts_.find('\0', begin), texts_.size());
    return std::string_view(texts_).substr(begin, end - begin);
  }
  return std::nullopt;
}

void PrecompiledCharsmap::AppendMapped(std::string_view character, std::string* out) const {
  *out += Find(character).value_or(character);
}

void PrecompiledCharsmap::Normalize(TextPart, std::string* text) const {
  std::string out;
  out.reserve(text->size() + text->size() / 8);
  const std::string_view in = *text;
  for (size_t at = 0; at < in.size();) {
    const auto byte = static_cast<unsigned char>(in[at]);
    // Nothing of ASCII stays with a character of it but LF with CR.
    const bool next_is_ascii = at + 1 == in.size() || static_cast<unsigned char>(in[at + 1]) < 0x80;
    if (byte < 0x80 && next_is_ascii && byte != '\r') {
      out += ascii_[byte];
      ++at;
      continue;
    }
    std::string_view cluster = in.substr(at, FirstGraphemeLength(in.substr(at)));
    at += cluster.size();
    if (cluster.size() <= kMaxWholeClusterBytes) {
      if (const std::optional<std::string_view> mapped = Find(cluster)) {
        out += *mapped;
        continue;
      }
    }
    while (!cluster.empty()) {
      const auto length = static_cast<size_t>(DecodeCodePoint(cluster).length);
      AppendMapped(cluster.substr(0, length), &out);
      cluster.remove_prefix(length);
    }
  }
  *text = std::move(out);
}

}  // namespace tessera
