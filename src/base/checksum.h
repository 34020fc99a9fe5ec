// A fast 64-bit checksum that finds damage of files: flipped bits, exchanged or missing blocks,
// pages of zeros.
//
// It reads about as fast as memory does, so tens of megabytes can be checked at every start. Any
// change that touches a single aligned 8-byte word always changes it; others go unseen with a
// chance of about 2^-64. It is no defence against a person who wants two contents to agree:
// sha256.h is. The value is part of file formats and the same on every little-endian machine.
#ifndef TESSERA_BASE_CHECKSUM_H_
#define TESSERA_BASE_CHECKSUM_H_

#include <cstdint>
#include <string>

#include "base/mapped_file.h"

namespace tessera {

// `seed` gives another checksum of the same bytes; a part may so be bound to its place.
uint64_t Checksum64(Bytes bytes, uint64_t seed = 0);

// 16 digits: "00c0ffee00c0ffee".
std::string Hex(uint64_t value);

}  // namespace tessera

#endif  // TESSERA_BASE_CHECKSUM_H_
