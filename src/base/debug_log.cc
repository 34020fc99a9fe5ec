#include "base/debug_log.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace tessera {

bool DebugLogEnabled() {
  static const bool enabled = [] {
    const char* level = std::getenv("TESSERA_LOG");
    return level != nullptr && std::string_view(level) == "debug";
  }();
  return enabled;
}

void DebugLog(std::string_view message) {
  if (!DebugLogEnabled()) return;
  // One call, so that lines of several threads do not mix.
  const std::string line = "tessera: debug: " + std::string(message) + "\n";
  std::fputs(line.c_str(), stderr);
}

}  // namespace tessera
