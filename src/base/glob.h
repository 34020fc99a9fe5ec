// Shell patterns for paths.
#ifndef TESSERA_BASE_GLOB_H_
#define TESSERA_BASE_GLOB_H_

#include <string_view>

namespace tessera {

// Glob match of a whole path: `*` and `?` and `[...]` stop at '/', `**` does not; a leading "**/"
// also matches nothing.
bool GlobMatches(std::string_view pattern, std::string_view path);

}  // namespace tessera

#endif  // TESSERA_BASE_GLOB_H_
