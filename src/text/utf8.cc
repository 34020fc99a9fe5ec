#include "text/utf8.h"

#include <cstring>

#include "base/check.h"
#include "text/unicode.h"

namespace tessera {
namespace {

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// What a first byte promises: how many bytes follow, and the range of the second, which alone keeps
// out overlong forms, surrogates and values above U+10FFFF (Unicode standard, table 3-7).
struct Lead {
  int following;
  unsigned char second_min;
  unsigned char second_max;
};

bool ReadLead(unsigned char byte, Lead* lead) {
  *lead = {0, 0x80, 0xBF};
  if (byte < 0x80) return true;
  if (byte < 0xC2 || byte > 0xF4) return false;
  lead->following = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  if (byte == 0xE0) lead->second_min = 0xA0;
  if (byte == 0xED) lead->second_max = 0x9F;
  if (byte == 0xF0) lead->second_min = 0x90;
  if (byte == 0xF4) lead->second_max = 0x8F;
  return true;
}

}  // namespace

DecodedCodePoint DecodeCodePoint(std::string_view text) {
  TESSERA_DCHECK(!text.empty());
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  Lead lead;
  if (!ReadLead(byte(0), &lead)) return {kReplacementCharacter, 1, false};
  if (lead.following == 0) return {byte(0), 1, true};
  char32_t value = byte(0) & (0x3Fu >> lead.following);
  for (int i = 1; i <= lead.following; ++i) {
    const size_t at = static_cast<size_t>(i);
    const bool fits =
        at < text.size() && (i == 1 ? byte(at) >= lead.second_min && byte(at) <= lead.second_max
                                    : IsContinuation(byte(at)));
    if (!fits) return {kReplacementCharacter, i, false};
    value = (value << 6) | (byte(at) & 0x3Fu);
  }
  return {value, lead.following + 1, true};
}

void AppendUtf8(char32_t c, std::string* text) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kReplacementCharacter;
  const auto continuation = [&](int shift) {
    text->push_back(static_cast<char>(0x80 | ((c >> shift) & 0x3F)));
  };
  if (c < 0x80) {
    text->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    text->push_back(static_cast<char>(0xC0 | (c >> 6)));
    continuation(0);
  } else if (c < 0x10000) {
    text->push_back(static_cast<char>(0xE0 | (c >> 12)));
    continuation(6);
    continuation(0);
  } else {
    text->push_back(static_cast<char>(0xF0 | (c >> 18)));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    uint64_t bytes;
    if (text.size() >= sizeof(bytes)) {  // eight of ASCII at once
      std::memcpy(&bytes, text.data(), sizeof(bytes));
      if ((bytes & 0x8080808080808080u) == 0) {
        text.remove_prefix(sizeof(bytes));
        continue;
      }
    }
    const DecodedCodePoint point = DecodeCodePoint(text);
    if (!point.valid) return false;
    text.remove_prefix(static_cast<size_t>(point.length));
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const DecodedCodePoint point = DecodeCodePoint(text);
    AppendUtf8(point.value, &out);
    text.remove_prefix(static_cast<size_t>(point.length));
  }
  return out;
}

int64_t CountCodePoints(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count)
    text.remove_prefix(static_cast<size_t>(DecodeCodePoint(text).length));
  return count;
}

std::u32string ToCodePoints(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  while (!text.empty()) {
    const DecodedCodePoint point = DecodeCodePoint(text);
    points.push_back(point.value);
    text.remove_prefix(static_cast<size_t>(point.length));
  }
  return points;
}

std::string_view StripWhiteSpace(std::string_view text) {
  while (!text.empty()) {
    const DecodedCodePoint point = DecodeCodePoint(text);
    if (!IsPythonSpace(point.value)) break;
    text.remove_prefix(static_cast<size_t>(point.length));
  }
  // One pass from the front: remembers where the last character that is no white space ended.
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const DecodedCodePoint point = DecodeCodePoint(text.substr(at));
    at += static_cast<size_t>(point.length);
    if (!IsPythonSpace(point.value)) end = at;
  }
  return text.substr(0, end);
}

}  // namespace tessera
