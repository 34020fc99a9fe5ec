#include "base/checksum.h"

#include <cstdio>
#include <cstring>

namespace tessera {
namespace {

// Independent lanes, so that compilers keep them in vector registers without being told.
constexpr size_t kLanes = 16;
constexpr size_t kStripe = kLanes * sizeof(uint64_t);
// Digits of the golden ratio: an odd number whose bits look random.
constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;

// A bijection of the state for each word and of the word for each state: what differed once differs
// at the end. Shifts and adds only, since 64-bit products are slow in most vector units.
inline uint64_t Step(uint64_t state, uint64_t word) {
  state ^= word;
  state += state << 21;
  state ^= state >> 32;
  return state;
}

uint64_t Mix(uint64_t state) {
  state = (state ^ (state >> 29)) * kSpread;
  state = (state ^ (state >> 32)) * kSpread;
  return state ^ (state >> 29);
}

}  // namespace

uint64_t Checksum64(Bytes bytes, uint64_t seed) {
  uint64_t lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = Mix(seed + (i + 1) * kSpread);
  const uint8_t* at = bytes.data();
  const size_t whole = bytes.size() / kStripe;
  for (size_t stripe = 0; stripe < whole; ++stripe, at += kStripe) {
    uint64_t words[kLanes];
    std::memcpy(words, at, kStripe);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = Step(lanes[i], words[i]);
  }
  uint64_t rest[kLanes] = {};
  if (const size_t left = bytes.size() - whole * kStripe; left > 0) std::memcpy(rest, at, left);
  uint64_t sum = Mix(bytes.size() ^ seed);
  for (size_t i = 0; i < kLanes; ++i) sum = Mix(sum ^ Step(lanes[i], rest[i]));
  return sum;
}

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace tessera
