#include "base/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/check.h"

namespace tessera {
namespace {

// FIPS 180-4, 4.2.2: the fractional parts of the cube roots of the first 64 primes.
alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
// 5.3.3: of the square roots of the first 8 primes.
constexpr std::array<uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

constexpr size_t kBlock = 64;
// A mapping is hashed in steps so that one Update touches little of it at a time.
constexpr size_t kFileStep = 8u << 20;

uint32_t LoadBigEndian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

#if defined(__x86_64__)
bool HasShaInstructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0)
    return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (b & (1u << 29)) != 0;
}

// The state as the instructions want it: {a, b, e, f} and {c, d, g, h}, highest lane first. Four
// rounds a step; the schedule keeps the last 16 words in w[4].
__attribute__((target("sha,ssse3,sse4.1"))) void BlocksWithShaInstructions(
    std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t num_blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const auto& s = state;
  __m128i abef = _mm_set_epi32(static_cast<int>(s[0]), static_cast<int>(s[1]),
                               static_cast<int>(s[4]), static_cast<int>(s[5]));
  __m128i cdgh = _mm_set_epi32(static_cast<int>(s[2]), static_cast<int>(s[3]),
                               static_cast<int>(s[6]), static_cast<int>(s[7]));
  for (; num_blocks > 0; --num_blocks, blocks += kBlock) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks) + i), swap);
    }
#pragma GCC unroll 16
    for (int step = 0; step < 16; ++step) {
      const __m128i words = w[step & 3];
      const __m128i keyed =
          _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(kRound) + step));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0E));
      if (step < 12) {  // the words of step + 4, in place of this step's
        const __m128i next1 = w[(step + 1) & 3];
        const __m128i next2 = w[(step + 2) & 3];
        const __m128i next3 = w[(step + 3) & 3];
        const __m128i sum =
            _mm_add_epi32(_mm_sha256msg1_epu32(words, next1), _mm_alignr_epi8(next3, next2, 4));
        w[step & 3] = _mm_sha256msg2_epu32(sum, next3);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  alignas(16) uint32_t abef_out[4];
  alignas(16) uint32_t cdgh_out[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(abef_out), abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(cdgh_out), cdgh);
  state = {abef_out[3], abef_out[2], cdgh_out[3], cdgh_out[2],
           abef_out[1], abef_out[0], cdgh_out[1], cdgh_out[0]};
}
#endif

}  // namespace

namespace internal {

void Sha256BlocksScalar(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t num_blocks) {
  for (; num_blocks > 0; --num_blocks, blocks += kBlock) {
    uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = LoadBigEndian(blocks + 4 * t);
    for (int t = 16; t < 64; ++t) {
      const uint32_t s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
      const uint32_t s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int t = 0; t < 64; ++t) {
      const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kRound[t] + w[t];
      const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<uint32_t, 8> after = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += after[i];
  }
}

void Sha256Blocks(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t num_blocks) {
#if defined(__x86_64__)
  static const bool has_sha = HasShaInstructions();
  if (has_sha) return BlocksWithShaInstructions(state, blocks, num_blocks);
#endif
  Sha256BlocksScalar(state, blocks, num_blocks);
}

}  // namespace internal

Sha256::Sha256() : state_(kInitial) {}

void Sha256::Update(Bytes bytes) {
  const size_t waiting = total_ % kBlock;
  total_ += bytes.size();
  if (waiting > 0) {
    const size_t taken = std::min(kBlock - waiting, bytes.size());
    std::copy_n(bytes.begin(), taken, pending_.begin() + static_cast<ptrdiff_t>(waiting));
    bytes = bytes.subspan(taken);
    if (waiting + taken < kBlock) return;
    internal::Sha256Blocks(state_, pending_.data(), 1);
  }
  const size_t num_blocks = bytes.size() / kBlock;
  internal::Sha256Blocks(state_, bytes.data(), num_blocks);
  bytes = bytes.subspan(num_blocks * kBlock);
  std::copy(bytes.begin(), bytes.end(), pending_.begin());
}

std::string Sha256::Finish() {
  const uint64_t num_bits = total_ * 8;
  // A one bit, zeros, then the length in bits as a big-endian 64-bit number at the end of a block.
  std::array<uint8_t, 2 * kBlock> padding = {0x80};
  const size_t waiting = total_ % kBlock;
  const size_t length = (waiting < kBlock - 8 ? kBlock : 2 * kBlock) - waiting;
  for (size_t i = 0; i < 8; ++i)
    padding[length - 1 - i] = static_cast<uint8_t>(num_bits >> (8 * i));
  Update(Bytes(padding).first(length));
  std::string hex;
  for (const uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[word >> shift & 0xF];
  }
  return hex;
}

std::string Sha256Hex(Bytes bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

Result<std::string> Sha256OfFile(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  file->Prefetch();
  Sha256 hash;
  const Bytes bytes = file->bytes();
  for (size_t at = 0; at < bytes.size(); at += kFileStep) {
    hash.Update(bytes.subspan(at, std::min(kFileStep, bytes.size() - at)));
  }
  return hash.Finish();
}

}  // namespace tessera
