// "Did you mean ...": the nearest of a set of names.
#ifndef TESSERA_CLI_NEAREST_H_
#define TESSERA_CLI_NEAREST_H_

#include <span>
#include <string>
#include <string_view>

namespace tessera::cli {

// Number of single-character insertions, deletions, replacements and swaps of neighbours that turn
// a into b.
int EditDistance(std::string_view a, std::string_view b);

// The candidate with the smallest distance to `word`, the first of equals; "" when all need more
// than a third of the longer name's characters (at least two) changed.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_NEAREST_H_
