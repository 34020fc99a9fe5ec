// Sizes of the machine's memories, as the system shows them. Reads only; thread-safe.
#ifndef TESSERA_RUNTIME_MEMORY_SYSTEM_H_
#define TESSERA_RUNTIME_MEMORY_SYSTEM_H_

#include <cstdint>
#include <string>

namespace tessera {

// Bytes of the largest cache that the first core can use, 0 where the system does not say. `sys`:
// root of that tree.
uint64_t LastLevelCacheBytes(const std::string& sys = "/sys");

// Bytes that a new program may use before the system starts to swap, 0 where it does not say.
uint64_t AvailableMemoryBytes(const std::string& proc = "/proc");

}  // namespace tessera

#endif  // TESSERA_RUNTIME_MEMORY_SYSTEM_H_
