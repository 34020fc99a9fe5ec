// Base64 (RFC 4648, the common alphabet) to bytes. Pure function, linear time; thread-safe.
#ifndef TESSERA_TEXT_BASE64_H_
#define TESSERA_TEXT_BASE64_H_

#include <string>
#include <string_view>

namespace tessera {

// Appends to *bytes; false where a character is none of the alphabet or the length cannot be.
// Padding is optional: whisper's multilingual.tiktoken writes its empty token as a lone '='.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace tessera

#endif  // TESSERA_TEXT_BASE64_H_
