#include "text/vocabulary_entries.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// GPT-2 spells the bytes that print as themselves in Latin-1, and the other 68 as U+0100 and up, in
// the order of the bytes.
struct PrintableBytes {
  static constexpr int kPoints = 0x100 + 68;
  std::array<int, kPoints> byte_of_point;

  PrintableBytes() {
    byte_of_point.fill(-1);
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool prints =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      byte_of_point[static_cast<size_t>(prints ? byte : next++)] = byte;
    }
  }
};

// In place: bytes are never more than the characters that spell them.
bool PrintableToBytes(std::string& text) {
  static const PrintableBytes table;
  size_t length = 0;
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    DecodedCodePoint point = {first, 1, true};
    if (first >= 0x80) point = DecodeCodePoint(std::string_view(text).substr(at));
    if (point.value >= PrintableBytes::kPoints) return false;
    const int byte = table.byte_of_point[point.value];
    if (byte < 0) return false;
    text[length++] = static_cast<char>(byte);
    at += static_cast<size_t>(point.length);
  }
  text.resize(length);
  return true;
}

}  // namespace

Status VocabularyEntries::Add(int64_t id, std::string token) {
  if (id < 0 || id >= kMaxVocabularyTokens) {
    return DataLoss("token id " + std::to_string(id) + " of the vocabulary, expected 0 to " +
                    std::to_string(kMaxVocabularyTokens - 1));
  }
  const auto at = static_cast<size_t>(id);
  if (at >= entries_.size()) entries_.resize(at + 1);
  Entry& entry = entries_[at];
  if (entry.is_set && entry.token != token) {
    return DataLoss("the vocabulary gives the id " + std::to_string(id) + " to two tokens");
  }
  entry = {std::move(token), true};
  return OkStatus();
}

Result<Vocabulary> VocabularyEntries::FromBytes() && {
  Vocabulary vocabulary;
  vocabulary.tokens.reserve(entries_.size());
  for (size_t id = 0; id < entries_.size(); ++id) {
    Entry& entry = entries_[id];
    const bool is_past_text = !vocabulary.specials.empty();
    if (is_past_text || (entry.is_set && entry.token == kEndOfText)) {
      if (entry.is_set) vocabulary.specials.emplace(std::move(entry.token), static_cast<int>(id));
      continue;
    }
    if (!entry.is_set) return DataLoss("the vocabulary has no token with id " + std::to_string(id));
    vocabulary.tokens.push_back(std::move(entry.token));
  }
  if (vocabulary.tokens.empty())
    return DataLoss("the vocabulary is empty, expected tokens in order of their ids");
  return vocabulary;
}

Result<Vocabulary> VocabularyEntries::FromPrintable() && {
  TESSERA_ASSIGN_OR_RETURN(Vocabulary vocabulary, std::move(*this).FromBytes());
  return DecodePrintable(std::move(vocabulary));
}

Result<Vocabulary> DecodePrintable(Vocabulary vocabulary) {
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!PrintableToBytes(vocabulary.tokens[id])) {
      return DataLoss("token " + std::to_string(id) +
                      " of the vocabulary is not spelt in GPT-2's printable form of bytes; the "
                      "file is damaged or not of a "
                      "byte-level vocabulary");
    }
  }
  return vocabulary;
}

}  // namespace tessera
