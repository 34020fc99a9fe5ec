#include "text/normalizer_steps.h"

#include <string_view>

#include "text/code_points.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// Calls take(character, its bytes) for each of `text`.
template <typename Take>
void ForEachCharacter(std::string_view text, Take take) {
  while (!text.empty()) {
    const DecodedCodePoint decoded = DecodeCodePoint(text);
    const auto length = static_cast<size_t>(decoded.length);
    take(decoded.value, text.substr(0, length));
    text.remove_prefix(length);
  }
}

}  // namespace

void LowercaseNormalizer::Normalize(TextPart, std::string* text) const {
  std::string out;
  out.reserve(text->size());
  ForEachCharacter(*text, [&out](char32_t c, std::string_view bytes) {
    if (CodePointTable::Get().flags(c) & kHasLowercase) {
      for (const char32_t lower : FindMapping(kLowercase, c)) AppendUtf8(lower, &out);
    } else {
      out += bytes;
    }
  });
  *text = std::move(out);
}

void StripAccentsNormalizer::Normalize(TextPart, std::string* text) const {
  std::string out;
  out.reserve(text->size());
  ForEachCharacter(*text, [&out](char32_t c, std::string_view bytes) {
    if (!(CodePointTable::Get().flags(c) & kCombiningMark)) out += bytes;
  });
  *text = std::move(out);
}

void StripNormalizer::Normalize(TextPart part, std::string* text) const {
  if (right_ && part.is_last) text->resize(text->size() - TrailingSpaceBytes(*text));
  if (left_ && part.is_first) text->erase(0, LeadingSpaceBytes(*text));
}

void ReplaceNormalizer::Normalize(TextPart, std::string* text) const {
  size_t found = text->find(pattern_);
  if (found == std::string::npos) return;
  std::string out;
  out.reserve(text->size());
  size_t at = 0;
  for (; found != std::string::npos; found = text->find(pattern_, at)) {
    out.append(*text, at, found - at);
    out += content_;
    at = found + pattern_.size();
  }
  out.append(*text, at);
  *text = std::move(out);
}

Result<ReplaceRunsNormalizer> ReplaceRunsNormalizer::Create(const std::string& regex,
                                                            std::string content) {
  const Status refused =
      Unimplemented("normalizer Replace by the regular expression \"" + regex + "\"");
  std::string_view rest = regex;
  char32_t character = kAnyWhiteSpace;
  if (rest.starts_with("\\s")) {
    rest.remove_prefix(2);
  } else {
    if (rest.empty() || std::string_view(".^$*+?()[]{}|\\").find(rest[0]) != rest.npos)
      return refused;
    const DecodedCodePoint decoded = DecodeCodePoint(rest);
    character = decoded.value;
    rest.remove_prefix(static_cast<size_t>(decoded.length));
  }
  if (rest == "+") return ReplaceRunsNormalizer(character, 1, std::move(content));
  const bool is_count = rest.size() == 4 && rest[0] == '{' && rest[1] >= '1' && rest[1] <= '9' &&
                        rest.substr(2) == ",}";
  if (!is_count) return refused;
  return ReplaceRunsNormalizer(character, static_cast<size_t>(rest[1] - '0'), std::move(content));
}

void ReplaceRunsNormalizer::Normalize(TextPart, std::string* text) const {
  std::string out;
  out.reserve(text->size());
  std::string_view run;
  size_t run_length = 0;
  const auto end_run = [&] {
    if (run_length >= at_least_) {
      out += content_;
    } else {
      out += run;
    }
    run = {};
    run_length = 0;
  };
  ForEachCharacter(*text, [&](char32_t c, std::string_view bytes) {
    const bool is_member = character_ == kAnyWhiteSpace
                               ? (CodePointTable::Get().flags(c) & kSpaceCharacter) != 0
                               : c == character_;
    if (!is_member) {
      if (run_length > 0) end_run();
      out += bytes;
      return;
    }
    run = run_length == 0 ? bytes : std::string_view(run.data(), run.size() + bytes.size());
    ++run_length;
  });
  if (run_length > 0) end_run();
  *text = std::move(out);
}

}  // namespace tessera
