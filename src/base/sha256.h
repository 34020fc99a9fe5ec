// SHA-256 (FIPS 180-4), streaming. Uses the CPU's SHA instructions where it has them.
#ifndef TESSERA_BASE_SHA256_H_
#define TESSERA_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <string>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

// Not thread-safe; copyable (a copy continues on its own).
class Sha256 {
 public:
  Sha256();
  void Update(Bytes bytes);
  // The 32 bytes of the digest as 64 lower-case hexadecimal digits. Call once, last.
  std::string Finish();

 private:
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> pending_;  // the first total_ % 64 bytes are not hashed yet
  uint64_t total_ = 0;               // bytes
};

std::string Sha256Hex(Bytes bytes);
// Of a whole file, mapped.
Result<std::string> Sha256OfFile(const std::string& path);

namespace internal {
// Folds `num_blocks` blocks of 64 bytes into the state: the portable form, and the fastest one of
// this machine.
void Sha256BlocksScalar(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t num_blocks);
void Sha256Blocks(std::array<uint32_t, 8>& state, const uint8_t* blocks, size_t num_blocks);
}  // namespace internal

}  // namespace tessera

#endif  // TESSERA_BASE_SHA256_H_
