// Large memory in large pages, where the system has them: fewer faults at first use and fewer
// misses of the address translation than with pages of 4 KiB.
#ifndef TESSERA_BASE_HUGE_PAGES_H_
#define TESSERA_BASE_HUGE_PAGES_H_

#include <cstddef>

namespace tessera {

// From this size on it pays; what lies in a page counts as used whole.
inline constexpr size_t kMinHugeBytes = size_t{4} << 20;

// As malloc, for memory that will be used whole; std::free gives it back. Null when there is none.
void* AllocateHuge(size_t bytes);

}  // namespace tessera

#endif  // TESSERA_BASE_HUGE_PAGES_H_
