// The compression ratio by which openai-whisper tells a text that repeats itself.
#ifndef TESSERA_TEXT_COMPRESSION_RATIO_H_
#define TESSERA_TEXT_COMPRESSION_RATIO_H_

#include <string_view>

namespace tessera {

// Bytes of `text` (UTF-8) over the bytes of its zlib stream at zlib's default level (6), as
// Python's zlib.compress(text) makes it; 0 for an empty text. Speech is below 2.4. Linear time and
// memory; thread-safe. Source: compression_ratio() of openai-whisper's utils.py.
double CompressionRatio(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_TEXT_COMPRESSION_RATIO_H_
