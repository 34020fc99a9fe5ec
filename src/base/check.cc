#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tessera {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tessera: internal check failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace tessera
