#include "base/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace tessera {
namespace {

TEST(Checksum64Test, EveryBitOfEveryByteCounts) {
  std::mt19937_64 random(1);
  for (const size_t size : {1u, 7u, 64u, 127u, 128u, 129u, 500u}) {
    std::vector<uint8_t> bytes(size);
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
    std::set<uint64_t> sums = {Checksum64(bytes)};
    for (size_t i = 0; i < size * 8; ++i) {
      bytes[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
      sums.insert(Checksum64(bytes));
      bytes[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
    }
    EXPECT_EQ(sums.size(), size * 8 + 1);
    EXPECT_TRUE(sums.contains(Checksum64(bytes)));
  }
}

TEST(Checksum64Test, LengthOrderAndSeedCount) {
  std::set<uint64_t> sums;
  std::vector<uint8_t> zeros(1000);
  for (size_t size = 0; size <= 1000; ++size) sums.insert(Checksum64({zeros.data(), size}));
  EXPECT_EQ(sums.size(), 1001u) << "lengths of zeros";
  for (uint64_t seed = 1; seed <= 100; ++seed) sums.insert(Checksum64(zeros, seed));
  EXPECT_EQ(sums.size(), 1101u);
  // Words that change places, within a lane and between lanes.
  std::vector<uint8_t> bytes(1024);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i / 8 * 37);
  const uint64_t whole = Checksum64(bytes);
  for (const size_t other : {8u, 64u, 128u, 512u, 896u}) {
    std::vector<uint8_t> swapped = bytes;
    std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + other);
    EXPECT_NE(Checksum64(swapped), whole) << other;
  }
}

// The value is part of file formats: a change of it is a change of them.
TEST(Checksum64Test, StaysTheSame) {
  std::vector<uint8_t> bytes(300);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i);
  EXPECT_EQ(Checksum64({}), 12593199216916028788u);
  EXPECT_EQ(Checksum64(bytes, 7), 12208558942689113384u);
}

}  // namespace
}  // namespace tessera
