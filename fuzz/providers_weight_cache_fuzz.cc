// Any bytes as a file of packed weights: an error, or entries whose every byte can be read and
// whose layers can be viewed. The checksums are made right first, which no fuzzer would do: what is
// behind them is to be reached.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/checksum.h"
#include "providers/cpu/packed_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static ThreadPool pool(1);
  AlignedBuffer copy(size);
  auto* bytes = static_cast<uint8_t*>(copy.data());
  if (size > 0) std::memcpy(bytes, data, size);
  // As in packed_file.cc: the header's checksum at 8, its length at 32, the payload's place at 24.
  if (size >= 48) {
    uint64_t payload;
    uint32_t header;
    std::memcpy(&payload, bytes + 24, sizeof(payload));
    std::memcpy(&header, bytes + 32, sizeof(header));
    if (header >= 48 && header <= size) {
      constexpr uint64_t kBlock = 1 << 20;
      if (payload >= header && payload < size) {
        const uint64_t blocks = (size - payload + kBlock - 1) / kBlock;
        for (uint64_t i = 0; i < blocks && header >= 48 + blocks * 8; ++i) {
          const uint64_t first = payload + i * kBlock;
          const uint64_t length = size - first < kBlock ? size - first : kBlock;
          const uint64_t sum = Checksum64({bytes + first, length}, i + 1);
          std::memcpy(bytes + header - (blocks - i) * 8, &sum, sizeof(sum));
        }
      }
      std::memset(bytes + 8, 0, 8);
      const uint64_t sum = Checksum64({bytes, header});
      std::memcpy(bytes + 8, &sum, sizeof(sum));
    }
  }
  const Bytes file(bytes, size);
  (void)cpu::ReadPackedHeader(file);
  const auto read = cpu::ReadPackedFile(file, pool);
  if (!read.ok()) return 0;
  unsigned used = 0;
  for (const cpu::PackedEntry& entry : read->entries) {
    for (const uint8_t byte : entry.bytes) used += byte;
    if (entry.kind == cpu::PackedKind::kLinear &&
        kernels::ViewPackedLinear(entry.precision, entry.n, entry.k, entry.bytes, nullptr).ok())
      ++used;
  }
  volatile unsigned keep = used;  // keeps the reads
  (void)keep;
  return 0;
}
