#include "base/glob.h"

namespace tessera {
namespace {

// The character class that begins at pattern[0] == '[': whether it takes `c`, and where it ends (0:
// it is no class).
bool ClassMatches(std::string_view pattern, char c, size_t* length) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool matches = false;
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) {
      *length = i + 1;
      return matches != negated;
    }
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      matches |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      matches |= pattern[i] == c;
    }
  }
  *length = 0;
  return false;
}

}  // namespace

bool GlobMatches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern.starts_with("**/")) {
      // Zero or more whole folders.
      const std::string_view rest = pattern.substr(3);
      for (size_t at = 0;;) {
        if (GlobMatches(rest, path.substr(at))) return true;
        const size_t slash = path.find('/', at);
        if (slash == std::string_view::npos) return false;
        at = slash + 1;
      }
    }
    if (pattern[0] == '*') {
      const bool across = pattern.starts_with("**");
      const std::string_view rest = pattern.substr(across ? 2 : 1);
      for (size_t at = 0;; ++at) {
        if (GlobMatches(rest, path.substr(at))) return true;
        if (at == path.size() || (!across && path[at] == '/')) return false;
      }
    }
    if (path.empty()) return false;
    size_t length = 1;
    if (pattern[0] == '?') {
      if (path[0] == '/') return false;
    } else if (pattern[0] == '[') {
      const bool matches = ClassMatches(pattern, path[0], &length);
      if (length == 0) {
        if (path[0] != '[') return false;  // an unclosed '[' stands for itself
        length = 1;
      } else if (!matches || path[0] == '/') {
        return false;
      }
    } else if (pattern[0] != path[0]) {
      return false;
    }
    pattern.remove_prefix(length);
    path.remove_prefix(1);
  }
  return path.empty();
}

}  // namespace tessera
