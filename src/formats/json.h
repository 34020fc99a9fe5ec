// JSON from files and requests, parsed within limits and without exceptions.
#ifndef TESSERA_FORMATS_JSON_H_
#define TESSERA_FORMATS_JSON_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tessera/status.h"

namespace tessera {

inline constexpr int kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonBytes = 64u << 20;  // the largest tokenizer.json files have 35 MB
// Values of all kinds; bounds the memory, which can be 30 times the text's.
inline constexpr size_t kMaxJsonValues = 4u << 20;

// Strict JSON (RFC 8259, UTF-8). kDataLoss with the place of a syntax error, for a key that appears
// twice in an object and for deeper nesting than `max_depth` (a plain number has depth 0);
// kResourceExhausted for more than `max_bytes` of text or kMaxJsonValues values. Thread-safe.
Result<nlohmann::json> ParseJson(std::string_view text, int max_depth = kMaxJsonDepth,
                                 size_t max_bytes = kMaxJsonBytes);
// The same for a file; errors name it.
Result<nlohmann::json> ParseJsonFile(const std::string& path, int max_depth = kMaxJsonDepth,
                                     size_t max_bytes = kMaxJsonBytes);

}  // namespace tessera

#endif  // TESSERA_FORMATS_JSON_H_
