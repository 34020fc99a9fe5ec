#include "base/huge_pages.h"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tessera {

void* AllocateHuge(size_t bytes) {
#if defined(__linux__)
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* const memory = rounded < bytes ? nullptr : std::aligned_alloc(kHugePage, rounded);
  // A hint: without it everything works, in small pages.
  if (memory != nullptr) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
#else
  return std::malloc(bytes);
#endif
}

}  // namespace tessera
