#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <utility>

#include "base/check.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tessera {
namespace {

enum class CharClass { kLetter, kNumber, kWhiteSpace, kOther };

CharClass ClassOf(char32_t c) {
  if (IsLetter(c)) return CharClass::kLetter;
  if (IsWhiteSpace(c)) return CharClass::kWhiteSpace;
  if (IsNumber(c)) return CharClass::kNumber;
  return CharClass::kOther;
}

// Length of 's 't 're 've 'm 'll 'd at the beginning of `text`, or 0.
size_t ContractionLength(std::string_view text) {
  for (const std::string_view suffix : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.starts_with(suffix)) return suffix.size();
  }
  return 0;
}

struct Run {
  size_t bytes = 0;
  size_t last_char_bytes = 0;
  size_t chars = 0;
};

// The characters of one class at the beginning of `text`.
Run RunOf(CharClass wanted, std::string_view text) {
  Run run;
  while (run.bytes < text.size()) {
    const DecodedCodePoint point = DecodeCodePoint(text.substr(run.bytes));
    if (ClassOf(point.value) != wanted) break;
    run.last_char_bytes = static_cast<size_t>(point.length);
    run.bytes += run.last_char_bytes;
    ++run.chars;
  }
  return run;
}

uint32_t HashOf(std::string_view bytes) {
  return static_cast<uint32_t>(std::hash<std::string_view>()(bytes));
}

// A part of a piece while it is merged: a node of a doubly linked list, named by the offset of its
// first byte.
struct Part {
  int id;         // token of the part's bytes
  int pair_rank;  // token of this part and the next together; of a dead part, -1
  int previous;   // offset, or -1
  int next;       // offset, or the length of the piece
};

}  // namespace

size_t NextBpePiece(std::string_view text) {
  if (const size_t length = ContractionLength(text); length > 0) return length;
  // " ?X+" for the three classes: one leading U+0020 belongs to the run that follows it.
  const size_t space = text.size() > 1 && text[0] == ' ' ? 1 : 0;
  const CharClass first = ClassOf(DecodeCodePoint(text.substr(space)).value);
  if (first != CharClass::kWhiteSpace) return space + RunOf(first, text.substr(space)).bytes;
  // "\s+(?!\S)|\s+": a run leaves its last character to the text that follows, unless it has no
  // other.
  const Run run = RunOf(CharClass::kWhiteSpace, text);
  if (run.bytes == text.size() || run.chars == 1) return run.bytes;
  return run.bytes - run.last_char_bytes;
}

Result<BytePairEncoder> BytePairEncoder::Create(std::vector<std::string> tokens) {
  BytePairEncoder encoder;
  encoder.tokens_ = std::move(tokens);
  encoder.byte_ids_.fill(kNoToken);
  encoder.slots_.resize(std::bit_ceil(2 * encoder.tokens_.size() + 1));
  for (size_t id = 0; id < encoder.tokens_.size(); ++id) {
    const std::string& token = encoder.tokens_[id];
    if (token.size() > kMaxTokenBytes) {
      return DataLoss("token " + std::to_string(id) + " of the vocabulary has " +
                      std::to_string(token.size()) + " bytes, expected at most " +
                      std::to_string(kMaxTokenBytes) + "; the vocabulary file is damaged");
    }
    if (token.empty()) continue;
    const uint32_t hash = HashOf(token);
    Slot& slot = encoder.slots_[encoder.SlotOf(token, hash)];
    if (slot.id != kNoToken) continue;
    slot = {hash, static_cast<int>(id)};
    if (token.size() == 1)
      encoder.byte_ids_[static_cast<unsigned char>(token[0])] = static_cast<int>(id);
    encoder.longest_ = std::max(encoder.longest_, token.size());
  }
  for (size_t byte = 0; byte < encoder.byte_ids_.size(); ++byte) {
    if (encoder.byte_ids_[byte] == kNoToken) {
      return DataLoss("the vocabulary has no token for byte " + std::to_string(byte) +
                      ", expected a byte-level vocabulary with a token for each of the 256 bytes");
    }
  }
  return encoder;
}

int BytePairEncoder::Find(std::string_view bytes) const {
  if (bytes.size() > longest_) return kNoToken;
  return slots_[SlotOf(bytes, HashOf(bytes))].id;
}

size_t BytePairEncoder::SlotOf(std::string_view bytes, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id == kNoToken || (slot.hash == hash && token(slot.id) == bytes)) return at;
  }
}

void BytePairEncoder::EncodePiece(std::string_view piece, std::vector<int>* ids) const {
  if (const int whole = Find(piece); whole != kNoToken) {
    ids->push_back(whole);
    return;
  }
  const int length = static_cast<int>(piece.size());
  std::vector<Part> parts(piece.size());
  using RankedOffset = std::pair<int, int>;  // the lowest rank first, of equal ranks the leftmost
  std::priority_queue<RankedOffset, std::vector<RankedOffset>, std::greater<>> queue;

  const auto rank_pair = [&](int at) {
    Part& part = parts[static_cast<size_t>(at)];
    part.pair_rank = kNoToken;
    if (part.next == length) return;
    const int end = parts[static_cast<size_t>(part.next)].next;
    part.pair_rank = Find(piece.substr(static_cast<size_t>(at), static_cast<size_t>(end - at)));
    if (part.pair_rank != kNoToken) queue.emplace(part.pair_rank, at);
  };

  for (int at = 0; at < length; ++at) {
    parts[static_cast<size_t>(at)] = {
        byte_ids_[static_cast<unsigned char>(piece[static_cast<size_t>(at)])], kNoToken, at - 1,
        at + 1};
  }
  for (int at = 0; at + 1 < length; ++at) rank_pair(at);

  while (!queue.empty()) {
    const auto [rank, at] = queue.top();
    queue.pop();
    Part& left = parts[static_cast<size_t>(at)];
    if (left.pair_rank != rank) continue;  // the pair changed since it was queued
    Part& right = parts[static_cast<size_t>(left.next)];
    right.pair_rank = -1;
    left.id = rank;
    left.next = right.next;
    if (left.next < length) parts[static_cast<size_t>(left.next)].previous = at;
    rank_pair(at);
    if (left.previous >= 0) rank_pair(left.previous);
  }
  for (int at = 0; at < length; at = parts[static_cast<size_t>(at)].next) {
    ids->push_back(parts[static_cast<size_t>(at)].id);
  }
}

std::vector<int> BytePairEncoder::Encode(std::string_view text) const {
  std::string replaced;
  if (!IsValidUtf8(text)) {
    replaced = ReplaceInvalidUtf8(text);
    text = replaced;
  }
  // Offsets inside a piece are ints; a text is far smaller, and longer pieces are cut only beyond
  // that.
  constexpr size_t kMaxPiece = size_t{1} << 30;
  std::vector<int> ids;
  while (!text.empty()) {
    const size_t length = NextBpePiece(text);
    for (size_t at = 0; at < length; at += kMaxPiece) {
      EncodePiece(text.substr(at, std::min(kMaxPiece, length - at)), &ids);
    }
    text.remove_prefix(length);
  }
  return ids;
}

}  // namespace tessera
