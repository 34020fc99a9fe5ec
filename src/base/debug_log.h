// What a user who looks for a cause may want to know and nobody else: why a cached file was not
// used, for example.
//
// Silent unless the environment has TESSERA_LOG=debug; then a line each goes to standard error.
// Thread-safe.
#ifndef TESSERA_BASE_DEBUG_LOG_H_
#define TESSERA_BASE_DEBUG_LOG_H_

#include <string_view>

namespace tessera {

bool DebugLogEnabled();
void DebugLog(std::string_view message);

}  // namespace tessera

#endif  // TESSERA_BASE_DEBUG_LOG_H_
