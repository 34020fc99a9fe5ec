#include "text/vocabulary_list.h"

#include <algorithm>

#include "text/vocabulary.h"

namespace tessera {
namespace {

class ListReader {
 public:
  explicit ListReader(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool Take(char c) {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool String(std::string& out) {
    if (!Take('"')) return false;
    for (;;) {
      const char* const begin = at_;
      while (at_ < end_ && *at_ != '"' && *at_ != '\\' && *at_ >= ' ' && *at_ <= '~') ++at_;
      out.append(begin, at_);
      if (at_ == end_) return false;
      const char c = *at_++;
      if (c == '"') return true;
      if (c != '\\' || !Escape(out)) return false;
    }
  }

  bool AtEnd() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    return at_ == end_;
  }

 private:
  static int HexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }

  bool Escape(std::string& out) {
    if (at_ == end_) return false;
    const char c = *at_++;
    if (c == '"' || c == '\\' || c == '/') {
      out.push_back(c);
      return true;
    }
    if (c != 'u' || end_ - at_ < 4) return false;
    int point = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = HexDigit(*at_++);
      if (digit < 0) return false;
      point = point * 16 + digit;
    }
    if (point < 0x20 || point > 0x7FF) return false;
    if (point < 0x80) {
      out.push_back(static_cast<char>(point));
    } else {
      out.push_back(static_cast<char>(0xC0 | point >> 6));
      out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
    }
    return true;
  }

  const char* at_;
  const char* const end_;
};

}  // namespace

std::optional<std::vector<std::string>> ReadPlainTokenList(std::string_view json) {
  ListReader reader(json);
  std::vector<std::string> tokens;
  if (!reader.Take('[')) return std::nullopt;
  tokens.reserve(std::min<size_t>(json.size() / 16, kMaxVocabularyTokens));
  do {
    if (tokens.size() == static_cast<size_t>(kMaxVocabularyTokens)) return std::nullopt;
    tokens.emplace_back();
    if (!reader.String(tokens.back())) return std::nullopt;
  } while (reader.Take(','));
  if (!reader.Take(']') || !reader.AtEnd()) return std::nullopt;
  return tokens;
}

}  // namespace tessera
