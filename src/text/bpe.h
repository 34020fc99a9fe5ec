// Byte-level byte pair encoding as tiktoken does it with GPT-2's split pattern, for vocabularies
// whose token ids are the merge ranks (GPT-2, Whisper).
//
// A text is split into pieces by the pattern of GPT-2,
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// and in each piece the adjacent pair of parts whose concatenation has the lowest id is merged (the
// leftmost of equals) until no concatenation is a token. Time is O(n log n) in the length of a
// piece, so a megabyte of one letter is harmless.
#ifndef TESSERA_TEXT_BPE_H_
#define TESSERA_TEXT_BPE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

// Length in bytes of the first piece of `text` (valid UTF-8, not empty); at least 1.
size_t NextBpePiece(std::string_view text);

// Immutable after Create; thread-safe. Movable.
class BytePairEncoder {
 public:
  // No token of a real vocabulary is longer than 128 bytes; the limit bounds the time of a look-up.
  static constexpr size_t kMaxTokenBytes = 1024;

  // tokens[id] are the bytes of a token. Every single byte must be a token; an empty token can be
  // decoded but is never produced; of equal tokens the first counts. data_loss when a byte is
  // missing or a token is too long.
  static Result<BytePairEncoder> Create(std::vector<std::string> tokens);

  BytePairEncoder(BytePairEncoder&&) = default;
  BytePairEncoder& operator=(BytePairEncoder&&) = default;

  int size() const { return static_cast<int>(tokens_.size()); }
  // id in [0, size()).
  std::string_view token(int id) const { return tokens_[static_cast<size_t>(id)]; }

  // Ids of `text`; invalid UTF-8 is replaced by U+FFFD first. Special tokens have no meaning here.
  std::vector<int> Encode(std::string_view text) const;

 private:
  static constexpr int kNoToken = INT32_MAX;

  BytePairEncoder() = default;
  int Find(std::string_view bytes) const;
  void EncodePiece(std::string_view piece, std::vector<int>* ids) const;

  std::vector<std::string> tokens_;
  // Ids by the hash of their tokens; open addressing in a power of two of places, at most half of
  // them taken.
  struct Slot {
    uint32_t hash = 0;
    int id = kNoToken;
  };
  // The place of `bytes`, or the free one where it would be.
  size_t SlotOf(std::string_view bytes, uint32_t hash) const;
  std::vector<Slot> slots_;
  std::array<int, 256> byte_ids_;
  size_t longest_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_TEXT_BPE_H_
